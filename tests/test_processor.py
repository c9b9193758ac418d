"""Threads: every job is run once, settled once, and none of them ends its runner."""

import decimal
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fastkiq
from fakes import FakeServer, FakeUnit, define
from fastkiq import context, processor
from fastkiq.config import Config
from fastkiq.policy import RetryPolicy
from fastkiq.processor import Processor
from processor_kit import config, outcomes, server, variable

__all__ = ["config", "server"]


@pytest.fixture
def work(server: FakeServer, config: Config) -> Callable[..., None]:
    """Runs units on one worker thread, to the end."""

    def run(*units: FakeUnit, verbose: bool = False) -> None:
        for unit in units:
            server.units.put(unit)
        server.units.put(None)
        policy = RetryPolicy(config)
        thread = Processor(server, "fastkiq-default-1", policy, config.server_middleware, verbose=verbose)  # type: ignore[arg-type]
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    return run


def test_a_job_runs_with_its_arguments_and_context(work: Callable[..., None]) -> None:
    seen: list[Any] = []

    def perform(self: Any, *args: Any) -> None:
        job = fastkiq.current_job()
        assert job is not None
        seen.append((threading.current_thread().name, self.jid, job.jid, args, context.current.get() is self))

    unit = FakeUnit(define(perform), args=["bob", {"a": [1]}])
    work(unit)
    assert seen == [("fastkiq-default-1", "b" * 24, "b" * 24, ("bob", {"a": [1]}), True)]
    assert outcomes(unit) == ["done"]


def test_a_function_is_a_worker_too(work: Callable[..., None]) -> None:
    seen: list[str] = []

    def send(to: str) -> None:
        seen.append(to)

    unit = FakeUnit(fastkiq.job(queue="mail")(send).worker.__fastkiq__, args=["a@example.org"])
    work(unit)
    assert (seen, outcomes(unit)) == (["a@example.org"], ["done"])


class Unprintable(BaseException):
    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(2), KeyboardInterrupt(), Unprintable(), fastkiq.Shutdown()]
)
def test_no_exception_ends_the_thread(work: Callable[..., None], error: BaseException) -> None:
    def perform(self: Any, fails: bool) -> None:
        if fails:
            raise error

    entry = define(perform)
    units = [FakeUnit(entry, args=[fails]) for fails in (True, False, True, False)]
    work(*units)
    assert outcomes(*units) == ["retry", "done", "retry", "done"]


def test_arguments_that_do_not_fit_are_a_failure(work: Callable[..., None]) -> None:
    unit = FakeUnit(define(lambda self: None), args=[1, 2, 3])
    work(unit)
    assert unit.fields["error_class"] == "TypeError"


def through_a_plain_wrapper(perform: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(perform)(lambda self: perform(self))


@pytest.mark.parametrize("middleware", [False, True])
def test_what_perform_left_unrun_is_a_failure(work: Callable[..., None], config: Config, middleware: bool) -> None:
    async def coroutine(self: Any) -> None: ...

    async def async_generator(self: Any) -> Any:
        yield 1

    def generator(self: Any) -> Any:
        yield 1

    def around(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        yield

    if middleware:
        config.server_middleware.add(around)
    for perform in (coroutine, async_generator, generator):
        entry = define(through_a_plain_wrapper(perform))
        unit = FakeUnit(entry)
        work(unit)
        assert outcomes(unit) == ["retry"], perform
        assert "nobody runs" in unit.fields["error_message"]
        with pytest.raises(TypeError, match="nobody runs"):
            entry.bound.perform_inline()


def test_unknown_and_abstract_workers(work: Callable[..., None]) -> None:
    class Abstract(fastkiq.Worker):
        pass

    gone, abstract = FakeUnit(None), FakeUnit(Abstract.__fastkiq__)
    work(gone, abstract)
    assert outcomes(gone, abstract) == ["retry", "retry"]
    assert gone.fields["error_class"] == "fastkiq.UnknownWorker"


def test_at_most_once_runs_only_when_the_ack_was_confirmed(work: Callable[..., None]) -> None:
    ran: list[str] = []
    entry = define(lambda self, name: ran.append(name), ack="start")
    confirmed, lost = FakeUnit(entry, args=["confirmed"]), FakeUnit(entry, args=["lost"], begins=False)
    work(confirmed, lost)
    assert ran == ["confirmed"]
    assert outcomes(confirmed, lost) == ["done", "none"]


def test_middleware_surrounds_skips_and_forgives(work: Callable[..., None], config: Config) -> None:
    seen: list[Any] = []

    def around(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        seen.append(("before", job.args))
        if job.args == ["skipped"]:
            return
        try:
            yield
        except KeyError:
            seen.append("forgiven")

    def perform(self: Any, what: str) -> None:
        seen.append(("ran", what))
        if what == "fails":
            raise KeyError(what)

    config.server_middleware.add(around)
    units = [FakeUnit(define(perform), args=[what]) for what in ("skipped", "fails", "fine")]
    work(*units)
    assert outcomes(*units) == ["done"] * 3
    assert ("ran", "skipped") not in seen
    assert "forgiven" in seen
    assert seen[-2:] == [("before", ["fine"]), ("ran", "fine")]


def test_the_context_is_empty_between_jobs(work: Callable[..., None], config: Config) -> None:
    left: list[Any] = []
    entry = define(lambda self: None)
    unit = FakeUnit(entry)
    after = FakeUnit(entry)
    after.begin = lambda: left.append(context.current.get()) or True  # type: ignore[method-assign,func-returns-value]
    after.worker = define(lambda self: None, ack="start", name="other")
    work(unit, after)
    assert left == [None]


def test_what_a_job_sets_in_context_variables_ends_with_it(work: Callable[..., None]) -> None:
    seen: list[tuple[str, int]] = []

    def perform(self: Any) -> None:
        seen.append((variable.get(), decimal.getcontext().prec))
        variable.set("of the job before")
        decimal.getcontext().prec = 5

    work(*(FakeUnit(define(perform)) for _ in range(2)))
    assert seen == [("clean", 28)] * 2


def test_middleware_and_job_share_one_record(work: Callable[..., None], config: Config) -> None:
    seen: list[Any] = []

    def around(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        seen.append(job)
        job.args.clear()
        yield

    def perform(self: Any, *args: Any) -> None:
        seen.extend([self.job, args])

    config.server_middleware.add(around)
    work(FakeUnit(define(perform), args=[1]))
    assert seen[0] is seen[1]
    assert seen[2] == (1,), "what perform gets is decoded from the stored bytes"


def test_slow_jobs_are_told_quick_ones_are_not(
    work: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "SLOW", -1.0)
    with caplog.at_level(logging.INFO, "fastkiq"):
        work(FakeUnit(define(lambda self: None)))
        assert [record.getMessage()[:10] for record in caplog.records] == ["done after"]
        caplog.clear()
        monkeypatch.setattr(processor, "SLOW", 10.0)
        work(FakeUnit(define(lambda self: None)))
        assert caplog.records == []


def test_verbose_tells_start_and_end(work: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fastkiq"):
        work(FakeUnit(define(lambda self: None)), verbose=True)
    assert [record.getMessage() for record in caplog.records] == ["start", "end"]


def test_what_failed_has_no_end(work: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fastkiq"):
        work(FakeUnit(define(lambda self: 1 / 0)), verbose=True)
    first, *rest = [record.getMessage() for record in caplog.records]
    assert first == "start"
    assert len(rest) == 1
    assert rest[0].startswith("failed, ")
    facts = caplog.records[1].fastkiq  # type: ignore[attr-defined]
    assert (facts["class"], facts["jid"], facts["queue"]) == ("app.Job", "b" * 24, "default")
    assert facts["elapsed"] >= 0


def test_a_child_forked_by_a_job_ends_as_a_script_would(work: Callable[..., None]) -> None:
    codes: list[int] = []

    def perform(self: Any) -> None:
        pid = os.fork()
        if pid == 0:
            raise SystemExit(7)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    unit = FakeUnit(define(perform))
    work(unit)
    assert codes == [7]
    assert outcomes(unit) == ["done"]


def test_the_error_of_a_forked_child_reaches_the_terminal_escaped(
    work: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def perform(self: Any) -> None:
        if (pid := os.fork()) == 0:
            raise ValueError("\x1b[2J\nforged")
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    work(FakeUnit(define(perform)))
    assert codes == [1]
    shown = capfd.readouterr().err
    assert "Traceback" in shown
    assert "ValueError: \\x1b[2J\n  | forged" in shown
