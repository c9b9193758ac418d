"""A job that runs where it was called: through middleware and JSON."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

import fastkiq
from client_kit import JID, Async, Hard, Nested, config, tag
from fastkiq import ArgumentError, Config

__all__ = ["config"]


def test_perform_inline_goes_through_middleware_and_json(config: Config) -> None:
    log: list[str] = []

    def server(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        log.append(f"{type(worker).__name__} {job.payload['tenant']} {fastkiq.current_job() is job}")
        yield

    name, count, jid, queue = Hard.perform_inline("bob")
    assert (name, count, queue) == ("bob", 1, "low")
    assert JID.fullmatch(jid)
    value = [1, {"a": None}]
    assert Nested.perform_inline(value) == value
    assert Nested.perform_inline(value) is not value
    with pytest.raises(ArgumentError, match="tuple"):
        Nested.perform_inline((1,))
    config.client_middleware.add(tag)
    config.server_middleware.add(server)
    assert Hard.perform_inline("stop") is None
    assert Hard.perform_inline("bob", 2)[:2] == ["bob", 2]
    assert log == ["Hard 7 True"]
    with pytest.raises(ValueError, match="of the job"):
        Nested.perform_inline("raise")
    assert fastkiq.current_job() is None


def test_perform_inline_keeps_the_arguments_of_middleware_apart(config: Config) -> None:
    def clears(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        job.args.clear()
        yield

    config.server_middleware.add(clears)
    assert Nested.perform_inline([1]) == [1], "as in a worker process"


def test_perform_inline_of_an_async_job(config: Config) -> None:
    assert Async.perform_inline(1) == [1, True]

    async def main() -> list[Any]:
        with pytest.raises(fastkiq.FastkiqError, match=r"await Async\.aperform_inline"):
            Async.perform_inline(1)
        return [await Async.aperform_inline(2), await Hard.aperform_inline("bob")]

    log: list[str] = []

    def server(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        log.append("in")
        yield
        log.append("out")

    config.server_middleware.add(server)
    [first, second] = asyncio.run(main())
    assert first == [2, True]
    assert second[:2] == ["bob", 1]
    assert log == ["in", "out", "in", "out"]
