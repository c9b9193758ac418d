"""What a class definition means, and what it refuses."""

import asyncio
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import fastkiq
from fastkiq import ArgumentError, DefinitionError, client, context, registry
from worker_kit import names

__all__ = ["names"]


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Plain(fastkiq.Worker):
    def perform(self, name: str, count: int = 1, *rest: Any) -> None: ...


def test_the_defaults() -> None:
    entry = Plain.__fastkiq__
    assert entry.options == {"retry": True, "queue": "default"}
    assert list(entry.options) == ["retry", "queue"]  # the order in the payload
    assert entry.name == f"{__name__}.Plain"
    assert (entry.is_async, entry.ack_start, entry.aliases) == (False, False, ())


def test_options_are_inherited_but_names_are_not() -> None:
    class Base(fastkiq.Worker, queue="low", retry=3, tags=("a", "b"), ack="start", log_level="warning"):
        """Has no perform: it only carries options."""

    class Child(Base, name="child", aliases=["old.Child"], retry=0, dead=False):
        def perform(self) -> None: ...

    class Grandchild(Child, queue="high"):
        pass

    assert Child.__fastkiq__.options == {
        "retry": 0,
        "queue": "low",
        "tags": ["a", "b"],
        "log_level": "warn",
        "dead": False,
    }
    assert Grandchild.__fastkiq__.options["queue"] == "high"
    assert Grandchild.__fastkiq__.options["retry"] == 0
    assert Grandchild.__fastkiq__.ack_start
    assert Grandchild.__fastkiq__.name.endswith("Grandchild")
    assert Grandchild.__fastkiq__.aliases == ()
    assert {entry.worker for entry in registry.entries()} == {Child, Grandchild}


def test_options_of_several_bases_follow_the_order_of_methods() -> None:
    class Slow(fastkiq.Worker, queue="slow", retry=1): ...

    class Tagged(fastkiq.Worker, tags=["x"], queue="tagged"): ...

    class Both(Slow, Tagged):
        def perform(self) -> None: ...

    assert Both.__fastkiq__.options == {"retry": 1, "queue": "slow", "tags": ["x"]}


def test_retry_for_and_retry_replace_each_other() -> None:
    class Counted(fastkiq.Worker, retry=5):
        def perform(self) -> None: ...

    class Timed(Counted, retry_for=timedelta(hours=1)): ...

    class CountedAgain(Timed, retry=2): ...

    assert Timed.__fastkiq__.options == {"retry": True, "queue": "default", "retry_for": 3600}
    assert CountedAgain.__fastkiq__.options == {"retry": 2, "queue": "default"}
    assert Timed.set(retry=False).options["retry"] is False
    assert "retry_for" not in Timed.set(retry=False).options


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"qeue": "x"}, "unknown option 'qeue'; did you mean 'queue'"),
        ({"queue": ""}, "queue"),
        ({"queue": "a b"}, "queue must be made of"),
        ({"queue": 5}, "queue"),
        ({"retry_queue": "ü"}, "retry_queue"),
        ({"retry": -1}, "retry must be"),
        ({"retry": 10**9}, "retry must be"),
        ({"retry": 1.5}, "retry"),
        ({"retry": "yes"}, "retry"),
        ({"retry": None}, "retry"),
        ({"retry_for": 0}, "retry_for"),
        ({"retry_for": 1e99}, "retry_for"),
        ({"retry_for": float("nan")}, "retry_for"),
        ({"retry_for": True}, "retry_for"),
        ({"retry_for": 60, "retry": 3}, "not both"),
        ({"retry_for": 60, "retry": False}, "not both"),
        ({"dead": 1}, "dead"),
        ({"backtrace": -1}, "backtrace"),
        ({"tags": "one"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"log_level": "loud"}, "log_level"),
        ({"ack": "middle"}, "ack"),
        ({"name": "a b"}, "wire name"),
        ({"name": 5}, "name"),
        ({"aliases": "old.Name"}, "aliases"),
        ({"aliases": ("",)}, "wire name"),
    ],
)
def test_definitions_that_are_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        type(fastkiq.Worker)("Bad", (fastkiq.Worker,), {"perform": lambda self: None}, **keywords)
    assert "Bad" in str(caught.value)
    assert not registry.entries()


def test_a_name_outside_of_ascii_needs_a_wire_name() -> None:
    with pytest.raises(DefinitionError, match="wire name"):
        type(fastkiq.Worker)("Größe", (fastkiq.Worker,), {"perform": lambda self: None})
    type(fastkiq.Worker)("Größe", (fastkiq.Worker,), {"perform": lambda self: None}, name="Groesse")
    assert set(registry.table()) == {"Groesse"}


@pytest.mark.parametrize("hook", ["retry_in", "retries_exhausted"])
def test_a_hook_that_nobody_could_call_is_refused(hook: str) -> None:
    def method(self: Any, *args: Any) -> None: ...

    async def coroutine(cls: type, *args: Any) -> None: ...

    for what, message in ((method, "must be a classmethod"), (classmethod(coroutine), "cannot be async")):
        with pytest.raises(DefinitionError, match=f"Bad.{hook} {message}"):
            type(fastkiq.Worker)("Bad", (fastkiq.Worker,), {"perform": lambda self: None, hook: what})


def test_a_class_without_perform_can_be_defined_but_not_enqueued() -> None:
    class Base(fastkiq.Worker, queue="low"): ...

    with pytest.raises(DefinitionError, match="Base defines no perform"):
        Base.perform_async()  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="Worker defines no perform"):
        fastkiq.Worker.perform_bulk([()])
    assert not registry.entries()


def test_hooks_and_the_instance_outside_of_a_run() -> None:
    worker = Plain()
    assert worker.jid == ""
    assert not worker.interrupted
    with pytest.raises(fastkiq.FastkiqError, match="Plain runs no job"):
        _ = worker.job
    assert worker.logger.name == f"fastkiq.jobs.{__name__}.Plain"
    job = fastkiq.Job(jid="a", class_name="b", queue="c", args=[])
    assert Plain.retry_in(0, ValueError(), job) is None
    assert Plain.retries_exhausted(job, ValueError()) is None


def test_interrupted_follows_the_stop_of_the_process() -> None:
    context.ask_to_stop()
    try:
        assert Plain().interrupted
    finally:
        context.ask_to_stop(False)


def test_an_instance_made_for_a_unit_builds_its_job_once() -> None:
    class Unit:
        jid, queue, recovered, raw = "f" * 24, "low", 2, b"{}"
        decoded = 0

        def payload(self) -> dict[str, Any]:
            self.decoded += 1
            return {"jid": self.jid, "class": "X", "args": [1], "retry_count": 0}

    unit: Any = Unit()
    instance = Plain()
    instance._unit = unit
    assert instance.jid == "f" * 24
    assert unit.decoded == 0
    token = context.current.set(instance)
    try:
        job = fastkiq.current_job()
        assert job is instance.job
    finally:
        context.current.reset(token)
    assert unit.decoded == 1
    assert job is not None
    assert (job.queue, job.recovered, job.attempt, job.args) == ("low", 2, 2, [1])
    assert fastkiq.current_job() is None


def test_a_function_as_a_worker() -> None:
    @fastkiq.job(queue="mail", retry=3)
    def send(to: str, subject: str = "hello") -> str:
        """Sends."""
        return f"{to}: {subject}"

    @fastkiq.job
    async def crawl(url: str) -> str:
        return url

    assert send("ann") == "ann: hello"
    assert asyncio.run(crawl("x")) == "x"
    assert (send.__name__, send.__doc__) == ("send", "Sends.")  # type: ignore[attr-defined]
    assert send.worker is not None
    entry = send.worker.__fastkiq__
    assert entry.name.endswith("<locals>.send")
    assert (entry.options, entry.is_async) == ({"retry": 3, "queue": "mail"}, False)
    assert entry.worker().perform("bob") == "bob: hello"  # type: ignore[attr-defined]
    assert registry.table()["crawl"][1]
    with pytest.raises(ArgumentError, match=r"^send\(to: str, subject: str = 'hello'\): missing"):
        send.perform_async()  # type: ignore[call-arg]


@pytest.mark.parametrize("thing", [Plain, 5, functools.partial(print), type("Callable", (), {"__call__": print})()])
def test_only_functions_can_be_decorated(thing: Any) -> None:
    with pytest.raises(DefinitionError, match="goes on a function"):
        fastkiq.job()(thing)


def test_set_checks_its_options_and_leaves_the_class_alone() -> None:
    low = Plain.set(queue="low", retry=False)
    assert low.options == {"retry": False, "queue": "low"}
    assert low.set(dead=True).options == {"retry": False, "queue": "low", "dead": True}
    assert Plain.__fastkiq__.options["queue"] == "default"
    with pytest.raises(ArgumentError, match=r"Plain\.set: unknown option 'name'"):
        Plain.set(name="x")  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="queue must be"):
        Plain.set(queue="a b")
    with pytest.raises(ArgumentError, match="unknown option 'ack'"):
        Plain.set(ack="start")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            datetime.now(UTC),
            "datetime; pass .isoformat() or .timestamp(), or annotate the parameter (docs/arguments.md)",
        ),
        (timedelta(1), "timedelta; pass .total_seconds(), or annotate the parameter (docs/arguments.md)"),
        (Decimal(1), "Decimal; pass str(...), or annotate the parameter (docs/arguments.md)"),
        (UUID(int=1), "UUID; pass str(...), or annotate the parameter (docs/arguments.md)"),
        (Colour.RED, "Colour; pass .value, or annotate the parameter with the enum (docs/arguments.md)"),
        (
            Point(1),
            "Point; pass its id, or the fields the job needs, and load the rest in the job; a dataclass or Pydantic "
            "model may be passed where the parameter is annotated with it (docs/arguments.md)",
        ),
        (Path("x"), "PosixPath; pass str(...)"),
    ],
)
def test_who_passes_what_an_annotation_would_convert_is_told_so(value: Any, says: str) -> None:
    class Takes(fastkiq.Worker):
        def perform(self, options: dict[str, Any], *rest) -> None: ...  # type: ignore[no-untyped-def]

    for args, path in ((({"x": [value]},), '(options): args[0]["x"][0]'), (({}, value), "(*rest): args[1]")):
        with pytest.raises(ArgumentError) as caught:
            Takes.perform_inline(*args)
        assert str(caught.value) == f"Takes.perform{path}: {says}"


@pytest.mark.parametrize("through", ["push", "middleware", "inline"])
def test_a_refused_argument_is_named_with_its_worker_and_parameter(
    through: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pass_on(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        yield

    class Named(fastkiq.Worker):
        def perform(self, name: str, *options: Any) -> None: ...

    @fastkiq.job
    def send(to: Any) -> None: ...

    own = fastkiq.Client("redis://127.0.0.1:1", config=fastkiq.Config())
    monkeypatch.setattr(client, "_replacement", own)
    if through == "middleware":
        own.config.client_middleware.add(pass_on)
    how = "perform_inline" if through == "inline" else "perform_async"
    for worker, arguments, says in (
        (Named, (b"",), "Named.perform(name): args[0]: bytes;"),
        (Named, ("x", 1, {"when": [{1}]}), 'Named.perform(*options): args[2]["when"][0]: set;'),
        (send, (b"",), "send(to): args[0]: bytes;"),
    ):
        with pytest.raises(fastkiq.ArgumentError) as caught:
            getattr(worker, how)(*arguments)
        assert str(caught.value).startswith(says)
    if through == "push":
        with pytest.raises(fastkiq.ArgumentError, match=r"^Ruby::Job: args\[0\]: set;"):
            own.push("Ruby::Job", {1})
        with pytest.raises(fastkiq.ArgumentError, match=r"^send\(to\): rows\[1\]\[0\]: set;"):
            send.perform_bulk([(1,), ({1},)])
        with pytest.raises(fastkiq.ArgumentError, match=r"^send\(to: Any\): missing"):
            send.perform_async()  # type: ignore[call-arg]
