"""The chain: order, insertion, stopping, errors, and one form around sync and async jobs."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from fastkiq.errors import ConfigError
from fastkiq.middleware import Chain

Steps = Generator[None, Any, None]


class Recorder:
    """Notes when it is entered and left."""

    def __init__(self, name: str = "recorder", log: list[str] | None = None) -> None:
        self.name = name
        self.log = [] if log is None else log

    def call(self, worker: Any, job: Any) -> Steps:
        self.log.append(f"{self.name} in {worker} {job}")
        result = yield
        self.log.append(f"{self.name} out {result}")


class Second(Recorder):
    pass


def stop(worker: Any, job: Any) -> Steps:
    if worker:
        return
    yield


def twice(worker: Any, job: Any) -> Steps:
    yield
    yield


def run(chain: Chain, inner: Any) -> Any:
    assert chain.run is not None
    return chain.run(inner, "W", "J")


def arun(chain: Chain, inner: Any) -> Any:
    """The same, around a coroutine function that suspends once before it calls `inner`."""

    async def perform() -> Any:
        await asyncio.sleep(0)
        return inner()

    async def main() -> Any:
        assert chain.arun is not None
        return await chain.arun(perform, "W", "J")

    return asyncio.run(main())


both = pytest.mark.parametrize("go", [run, arun])


def fail() -> None:
    raise ValueError("of the job")


def test_an_empty_chain_costs_nothing() -> None:
    chain = Chain()
    assert chain.run is None
    assert chain.arun is None
    chain.add(Recorder)
    chain.clear()
    assert chain.run is None


@both
def test_the_first_one_is_outermost_and_sees_the_result(go: Any) -> None:
    log: list[str] = []
    chain = Chain()
    chain.add(Recorder, "a", log)
    chain.add(Second, "b", log=log)
    assert go(chain, lambda: log.append("job") or 7) == 7
    assert log == ["a in W J", "b in W J", "job", "b out 7", "a out 7"]


@both
def test_leaving_without_a_yield_skips_what_is_inside(go: Any) -> None:
    log: list[str] = []
    chain = Chain()
    chain.add(Recorder, "a", log)
    chain.add(stop)
    assert go(chain, lambda: log.append("job")) is None
    assert log == ["a in W J", "a out None"]


@both
def test_the_error_of_the_job_comes_out_of_the_yield(go: Any) -> None:
    seen: list[BaseException] = []

    def watch(worker: Any, job: Any) -> Steps:
        try:
            yield
        except ValueError as error:
            seen.append(error)
            raise

    chain = Chain()
    chain.add(watch)
    with pytest.raises(ValueError, match="of the job") as caught:
        go(chain, fail)
    assert seen == [caught.value]


@both
def test_it_can_replace_or_swallow_the_error(go: Any) -> None:
    def replace(worker: Any, job: Any) -> Steps:
        try:
            yield
        except ValueError as error:
            raise KeyError("mine") from error

    def swallow(worker: Any, job: Any) -> Steps:
        try:
            yield
        except KeyError:
            return

    chain = Chain()
    chain.add(replace)
    with pytest.raises(KeyError, match="mine"):
        go(chain, fail)
    chain.prepend(swallow)
    assert go(chain, fail) is None


@both
def test_yielding_twice_is_an_error(go: Any) -> None:
    def again(worker: Any, job: Any) -> Steps:
        try:
            yield
        except ValueError:
            yield

    chain = Chain()
    chain.add(twice)
    with pytest.raises(RuntimeError, match="twice yielded more than once"):
        go(chain, lambda: 1)
    chain.clear()
    chain.add(again)
    with pytest.raises(RuntimeError, match="again yielded more than once"):
        go(chain, fail)


def test_a_stop_iteration_of_the_job_stays_what_it_is() -> None:
    def raises() -> None:
        raise StopIteration("of the job")

    chain = Chain()
    chain.add(Recorder)
    with pytest.raises(StopIteration, match="of the job"):
        run(chain, raises)


def test_sync_middleware_wraps_the_whole_of_an_async_job() -> None:
    log: list[str] = []
    chain = Chain()
    chain.add(Recorder, "a", log)

    async def perform() -> None:
        log.append("begin")
        await asyncio.sleep(0)
        log.append("end")

    async def main() -> None:
        assert chain.arun is not None
        await chain.arun(perform, "W", "J")

    asyncio.run(main())
    assert log == ["a in W J", "begin", "end", "a out None"]


class Both(Recorder):
    async def acall(self, worker: Any, job: Any) -> AsyncGenerator[None, Any]:
        await asyncio.sleep(0)
        self.log.append("async in")
        try:
            result = yield
        except ValueError:
            self.log.append("async error")
            raise
        self.log.append(f"async out {result}")


class AsyncStop(Recorder):
    async def acall(self, worker: Any, job: Any) -> AsyncGenerator[None, Any]:
        if not worker:
            yield


def test_acall_takes_the_place_of_call_around_async_jobs() -> None:
    log: list[str] = []
    chain = Chain()
    chain.add(Both, "sync", log)
    assert run(chain, lambda: 1) == 1
    assert log == ["sync in W J", "sync out 1"]
    log.clear()
    assert arun(chain, lambda: 2) == 2
    assert log == ["async in", "async out 2"]
    log.clear()
    with pytest.raises(ValueError, match="of the job"):
        arun(chain, fail)
    assert log == ["async in", "async error"]
    chain.add(AsyncStop)
    assert arun(chain, lambda: 3) is None


def test_cancelling_reaches_the_middleware() -> None:
    log: list[str] = []

    def watch(worker: Any, job: Any) -> Steps:
        try:
            yield
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main() -> None:
        assert chain.arun is not None
        started = asyncio.Event()

        async def perform() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(chain.arun(perform, "W", "J"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    chain = Chain()
    chain.add(watch)
    asyncio.run(main())
    assert log == ["cancelled"]


def test_insertion_and_removal() -> None:
    def one(worker: Any, job: Any) -> Steps:
        yield

    chain = Chain()
    chain.add(Recorder)
    chain.prepend(one)
    chain.insert_before(Recorder, stop)
    chain.insert_after(one, Second, "second")
    assert [getattr(each, "name", each) for each in chain] == [one, "second", stop, "recorder"]
    assert Recorder in chain
    assert chain.exists(one)
    chain.remove(one)
    chain.remove(one)
    assert one not in chain
    chain.add(Second, "moved")
    assert [getattr(each, "name", each) for each in chain] == [stop, "recorder", "moved"]
    assert len(chain) == 3
    with pytest.raises(ConfigError, match="one is not in the middleware chain"):
        chain.insert_before(one, twice)
    assert twice not in chain


async def coroutine(worker: Any, job: Any) -> None: ...


class NoCall:
    pass


class WrongAcall(Recorder):
    async def acall(self, worker: Any, job: Any) -> None: ...


@pytest.mark.parametrize("middleware", [print, coroutine, NoCall, 5, WrongAcall])
def test_what_is_no_middleware_is_refused_when_added(middleware: Any) -> None:
    with pytest.raises(ConfigError, match="generator function"):
        Chain().add(middleware)


def test_arguments_belong_to_classes() -> None:
    with pytest.raises(ConfigError, match="stop is no class"):
        Chain().add(stop, 1)
