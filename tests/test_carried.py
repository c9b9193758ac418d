"""Context that is carried: from the enqueue call into the job, and on into the jobs that it enqueues."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from redis import Redis

import fastkiq
from children import Child
from fastkiq import ArgumentError, Config, DefinitionError, FastkiqError, carried
from fastkiq import config as configuration

tenant: ContextVar[Any] = ContextVar("tenant")
locale: ContextVar[str] = ContextVar("locale", default="en")


class Asks(fastkiq.Worker, name="carried.Asks"):
    def perform(self, nested: bool = False) -> Any:
        if nested:
            Asks.perform_async()
        return tenant.get(None), locale.get()


class Awaits(fastkiq.Worker, name="carried.Awaits"):
    async def perform(self) -> Any:
        await asyncio.sleep(0)
        return tenant.get(None), locale.get()


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    token = tenant.set(None)
    yield configuration.default()
    tenant.reset(token)
    configuration.replace_default(before)
    for name in ("tenant", "locale", "user"):
        carried.forget(name)


def queued(redis: Redis) -> list[Any]:
    """The context of each job in the queue, oldest first."""
    return [json.loads(each).get("context") for each in redis.lrange("queue:default", 0, -1)][::-1]


def test_nothing_is_there_until_something_is_carried(redis: Redis, config: Config) -> None:
    tenant.set("acme")
    Asks.perform_async()
    assert queued(redis) == [None]
    assert (config.client_middleware.run, config.server_middleware.run) == (None, None)


def test_what_a_variable_holds_at_the_call_is_there_in_the_job_and_gone_after_it(redis: Redis) -> None:
    fastkiq.carry("tenant", tenant)
    fastkiq.carry("locale", locale)
    tenant.set("acme")
    Asks.perform_async()
    token = locale.set("de")
    Asks.perform_bulk([(), ()])
    Asks.perform_in(60)
    assert queued(redis) == [{"tenant": "acme"}] + [{"tenant": "acme", "locale": "de"}] * 2
    assert Asks.perform_inline() == ("acme", "de")
    assert Awaits.perform_inline() == ("acme", "de")
    assert (tenant.get(), locale.get()) == ("acme", "de")
    tenant.set(None)
    assert Asks.perform_inline() == (None, "de")
    locale.reset(token)


def test_a_reader_and_a_context_manager_do_as_well() -> None:
    entered: list[Any] = []

    @contextmanager
    def enter(user: dict[str, int]) -> Iterator[None]:
        entered.append(user)
        yield
        entered.append("left")

    fastkiq.carry("user", read=lambda: {"id": 5}, enter=enter)

    @fastkiq.job(name="carried.fails")
    def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        fails.perform_inline()
    assert entered == [{"id": 5}]
    Asks.perform_inline()
    assert entered == [{"id": 5}, {"id": 5}, "left"]


def test_jobs_that_a_job_enqueues_carry_it_on_with_what_is_not_known_here(redis: Redis, config: Config) -> None:
    fastkiq.carry("tenant", tenant)

    def foreign(_worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        if fastkiq.current_job() is None:
            payload["context"] = {**payload["context"], "trace": "abc"}
        yield

    config.client_middleware.add(foreign)
    tenant.set("acme")
    Asks.perform_inline(True)
    assert queued(redis) == [{"tenant": "acme", "trace": "abc"}]


def test_what_is_too_large_and_not_known_here_is_not_carried_on(redis: Redis, config: Config) -> None:
    fastkiq.carry("tenant", tenant)

    def foreign(_worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        if fastkiq.current_job() is None:
            payload["context"] = {"bomb": ["x" * 5_000], "trace": "abc"}
        yield

    config.client_middleware.add(foreign)
    Asks.perform_inline(True)
    assert queued(redis) == [{"trace": "abc"}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "what is carried as 'tenant' must be plain JSON"),
        ("x" * 5_000, r"what is carried as 'tenant' takes 5,002 bytes; 4,096 are allowed"),
    ],
)
def test_other_values_are_refused_at_the_call(redis: Redis, value: Any, message: str) -> None:
    fastkiq.carry("tenant", tenant)
    tenant.set(value)
    with pytest.raises(ArgumentError, match=message):
        Asks.perform_async()
    with pytest.raises(ArgumentError, match=message):
        Asks.perform_bulk([()])
    assert queued(redis) == []


def test_what_cannot_be_carried_is_said_at_once() -> None:
    with pytest.raises(DefinitionError, match="a name is made of"):
        fastkiq.carry("a b", tenant)
    with pytest.raises(DefinitionError, match="not both"):
        fastkiq.carry("tenant", tenant, read=dict)  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match="a ContextVar is wanted, not str"):
        fastkiq.carry("tenant", "acme")  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match="both read and enter"):
        fastkiq.carry("tenant", read=dict)  # type: ignore[call-overload]


@pytest.mark.parametrize("odd", ["text", 5, [], {"tenant": None}, {str(number): 1 for number in range(100)}])
def test_another_meaning_of_the_key_is_left_alone(config: Config, odd: Any) -> None:
    fastkiq.carry("tenant", tenant)

    def foreign(_worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        payload["context"] = odd
        yield

    config.client_middleware.add(foreign)
    assert Asks.perform_inline() == (None, "en")


def test_a_job_does_not_run_without_what_it_was_enqueued_with(config: Config) -> None:
    fastkiq.carry("tenant", tenant)

    def foreign(_worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        payload["context"] = {"tenant": "x" * 5_000}
        yield

    config.client_middleware.add(foreign)
    with pytest.raises(FastkiqError, match="the payload's context 'tenant' is larger"):
        Asks.perform_inline()


def test_configurations_made_before_and_after_carry_it(redis_url: str, redis: Redis) -> None:
    before = fastkiq.Client(config=Config(redis_url=redis_url))
    fastkiq.carry("tenant", tenant)
    tenant.set("acme")
    before.push(Asks)
    fastkiq.Client(config=Config(redis_url=redis_url)).push(Asks)
    assert queued(redis) == [{"tenant": "acme"}] * 2


def test_threads_coroutines_and_retries_have_it(worker_process: Callable[..., Child], redis: Redis) -> None:
    fastkiq.carry("tenant", tenant)
    tenant.set("acme")
    child = worker_process(
        """
        from contextvars import ContextVar
        import fastkiq
        tenant = ContextVar("tenant", default="nobody")
        fastkiq.carry("tenant", tenant)

        class Told(fastkiq.Worker):
            def perform(self):
                if self.job.attempt == 1:
                    raise fastkiq.Retry(in_=0.01)
                print("TOLD", tenant.get(), self.job.attempt, flush=True)
                Awaits.perform_async()

        class Awaits(fastkiq.Worker):
            async def perform(self):
                print("AWAITS", tenant.get(), flush=True)
                Bare.perform_async()

        class Bare(fastkiq.Worker):
            def perform(self):
                print("BARE", tenant.get(), self.job.payload.get("context"), flush=True)
        """
    )
    fastkiq.Client().push("app.Told")
    child.wait_for("TOLD acme 2\n")
    child.wait_for("AWAITS acme\n")
    child.wait_for("BARE acme {'tenant': 'acme'}\n")
    tenant.set(None)
    fastkiq.Client().push("app.Bare")
    child.wait_for("BARE nobody None\n")
    assert child.stop() == 0


def test_so_many_names_and_no_more(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "MAX_NAMES", 2)
    for _ in range(2):
        fastkiq.carry("tenant", tenant)
        fastkiq.carry("locale", locale)
    with pytest.raises(DefinitionError, match="2 names are carried already"):
        fastkiq.carry("user", tenant)
    tenant.set("acme")
    token = locale.set("de")
    running = fastkiq.Job.from_bytes(b'{"class":"A","args":[],"context":{"from elsewhere":1}}')
    monkeypatch.setattr("fastkiq.context.current_job", lambda: running)
    Asks.perform_async()
    locale.reset(token)
    assert queued(redis) == [{"tenant": "acme", "locale": "de"}], "its own first, where there is no room for all"
