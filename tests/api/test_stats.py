"""Totals, their history, and facts about Redis."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis as redis_py

from api.kit import fill, payload
from fastkiq import api
from fastkiq.api.connection import Pipeline
from fastkiq.errors import ArgumentError

pytestmark = pytest.mark.both_servers


def test_a_summary(inspected: api.Redis, redis: redis_py.Redis) -> None:
    assert api.Stats(inspected).summary() == api.Summary(0, 0, 0, 0, 0, 0, 0, 0, [])
    redis.mset({"stat:processed": 12, "stat:failed": 3})
    for count, key in enumerate(("schedule", "retry", "dead"), 1):
        fill(redis, key, {payload(number): number for number in range(count)})
    for number in range(5):
        redis.sadd("queues", f"q{number}")
        redis.lpush(f"queue:q{number}", *range(number + 1))
    redis.sadd("queues", "never")
    assert api.Stats(inspected).summary() == api.Summary(12, 3, 0, 0, 15, 1, 2, 3, [])


def test_what_is_of_another_type_is_left_out_and_told(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for key in ("stat:processed", "queues", "processes", "queue:x"):
        redis.zadd(key, {"x": 1})
    redis.set("schedule", "x")
    redis.set("stat:failed", "many")
    summary = api.Stats(inspected).summary()
    assert (summary.processed, summary.failed, summary.scheduled, summary.enqueued, summary.processes) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert len(summary.notes) == 4


def test_a_summary_takes_few_commands(
    inspected: api.Redis, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.pipeline() as pipeline:
        for number in range(1_000):
            pipeline.sadd("queues", f"q{number}")
            pipeline.lpush(f"queue:q{number}", "x")
        for number in range(500):
            pipeline.sadd("processes", f"p{number}")
            pipeline.hset(f"p{number}", mapping={"info": "{}", "busy": 2, "beat": 5, "concurrency": 9, "rss": 7})
        pipeline.execute()
    sent: list[object] = []
    plain, together = api.Redis.execute_command, Pipeline.execute

    def one(self: api.Redis, *words: Any, **options: Any) -> Any:
        sent.append(words[0])
        return plain(self, *words, **options)

    def some(self: Pipeline, raise_on_error: bool = True) -> list[Any]:
        sent.extend(self.command_stack)
        return together(self, raise_on_error)

    monkeypatch.setattr(api.Redis, "execute_command", one)
    monkeypatch.setattr(Pipeline, "execute", some)
    summary = api.Stats(inspected).summary()
    assert (summary.enqueued, summary.processes, summary.busy) == (1_000, 500, 1_000)
    assert 5 < len(sent) < 30


def test_history(inspected: api.Redis, redis: redis_py.Redis) -> None:
    today = datetime.now(UTC).date()
    redis.set(f"stat:processed:{today}", 7)
    redis.set(f"stat:failed:{today - timedelta(days=2)}", 3)
    redis.set(f"stat:failed:{today - timedelta(days=1)}", "x")
    redis.lpush(f"stat:processed:{today - timedelta(days=1)}", "x")
    days = api.Stats(inspected).history(3, today)
    assert days == [
        api.Day(today, 7, 0),
        api.Day(today - timedelta(days=1), 0, 0),
        api.Day(today - timedelta(days=2), 0, 3),
    ]
    assert len(api.Stats(inspected).history(1_825)) == 1_825
    assert api.Stats(inspected).history(1, date(2024, 2, 29)) == [api.Day(date(2024, 2, 29), 0, 0)]
    for wrong in (0, -1, 1_826):
        with pytest.raises(ArgumentError, match="1 to 1,825"):
            api.Stats(inspected).history(wrong)


def test_the_server(inspected: api.Redis, redis: redis_py.Redis, family: str) -> None:
    server = api.Stats(inspected).server()
    assert server.name == ("valkey" if family == "valkey" else "redis")
    assert server.version[0].isdigit()
    assert server.clients > 0
    assert 0 < server.memory <= server.peak_memory
    assert server.most_memory == 0


def test_the_default_queue_and_a_reset(inspected: api.Redis, redis: redis_py.Redis) -> None:
    stats = api.Stats(inspected)
    assert stats.default_latency() == 0.0
    redis.set("queue:default", "x")
    assert stats.default_latency() == 0.0
    redis.mset({"stat:processed": 5, "stat:failed": 5, "stat:processed:2026-01-01": 5})
    stats.reset()
    assert redis.mget("stat:processed", "stat:failed", "stat:processed:2026-01-01") == [b"0", b"0", b"5"]
