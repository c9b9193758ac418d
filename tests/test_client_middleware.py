"""Client middleware: what it may change, and what is found out about it."""

import time
from collections.abc import Generator
from typing import Any

import pytest
from redis import Redis

from client_kit import Hard, config, queued, scheduled, tag
from fastkiq import ArgumentError, Client, Config

__all__ = ["config"]


def test_client_middleware_changes_moves_and_stops(config: Config, redis: Redis) -> None:
    seen: list[Any] = []

    def see(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        seen.append(worker)
        yield

    config.client_middleware.add(tag)
    config.client_middleware.prepend(see)
    jid = Hard.perform_async("a")
    Hard.perform_async("move")
    assert Hard.perform_async("stop") is None
    Hard.perform_in(3600, "later")
    Client().push("Ruby", "x", queue="low")
    jids = Hard.perform_bulk([("b",), ("stop",), ("c",)])
    assert len(jids) == 2
    assert [each["args"][0] for each in queued(redis)] == ["a", "x", "b", "c"]
    first = queued(redis)[0]
    assert list(first) == ["retry", "queue", "args", "class", "jid", "created_at", "tenant", "enqueued_at"]
    assert (first["jid"], first["tenant"]) == (jid, 7)
    assert [each["queue"] for each in queued(redis, "moved")] == ["moved"]
    [(later, score)] = scheduled(redis)
    assert "at" not in later
    assert abs(score - time.time() - 3600) < 60
    assert seen == [Hard, Hard, Hard, Hard, "Ruby", Hard, Hard, Hard]


def test_client_middleware_gets_the_times_of_a_bulk_push(config: Config, redis: Redis) -> None:
    config.client_middleware.add(tag)
    Hard.perform_bulk([("a",), ("b",)], at=[4e9, 4e9 + 1])
    assert [score for _, score in scheduled(redis)] == [4e9, 4e9 + 1]
    with pytest.raises(ArgumentError, match="fewer times"):
        Hard.perform_bulk([("a",), ("b",)], at=[4e9])


def test_middleware_may_choose_another_time(config: Config, redis: Redis) -> None:
    def later(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        if payload["args"][0] == "now":
            del payload["at"]
        else:
            payload["at"] = 4e9
        yield

    config.client_middleware.add(later)
    Hard.perform_in(60, "now")
    Hard.perform_in(60, "later")
    assert [each["args"] for each in queued(redis)] == [["now"]]
    assert [score for _, score in scheduled(redis)] == [4e9]


def test_a_middleware_that_breaks_the_queue_is_found_out(config: Config) -> None:
    def broken(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        payload["queue"] = ""
        yield

    config.client_middleware.add(broken)
    with pytest.raises(ArgumentError, match=r"app\.Hard with the queue ''"):
        Hard.perform_async("a")
