"""Totals and queues as both sides count them, what a pause means to each, and payloads of older releases."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq.job import Job
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries, ledger

Start = Callable[..., Child]


def test_totals_add_up(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    client = fastkiq.Client(redis_url)

    def enqueue(failing: int) -> None:
        client.push_bulk("Echo", [(number,) for number in range(5)])
        client.push_bulk("Boom", [(number,) for number in range(failing)])

    def stop_after(child: Child, failed: int, done: int) -> None:
        wait_until(lambda: (redis.zcard("retry"), redis.llen("ledger")) == (failed, done), 15, "all to be run")
        assert child.stop() == 0

    enqueue(2)
    stop_after(worker_process(APP), 2, 5)
    enqueue(3)
    stop_after(ruby.serve(), 5, 10)
    client.push("Echo", queue="low")
    client.push("Echo", at=4_000_000_000)
    stats = ruby("stats")
    assert (stats["processed"], stats["failed"]) == (15, 5)
    # Two days, since midnight may come in between.
    assert sum(stats["processed_by_day"].values()) == 15
    assert sum(stats["failed_by_day"].values()) == 5
    assert (stats["retries"], stats["scheduled"], stats["dead"], stats["enqueued"]) == (5, 1, 0, 1)
    assert (stats["processes"], stats["workers"]) == (0, 0)
    assert stats["queues"] == {"low": 1, "default": 0}


def test_latency_and_bulk(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    jids = fastkiq.Client(redis_url).push_bulk("Echo", [(number,) for number in range(2_500)])
    ((name, size, paused, latency, shown),) = ruby("stats")["all"]
    assert (name, size, paused) == ("default", 2_500, False)
    assert 0 <= latency < 60
    assert shown == list(jids)[::-1], "the newest first"


def test_ruby_deletes_from_a_queue(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    """One job, then the queue, which the next push makes known again."""
    client = fastkiq.Client(redis_url)
    jids = [client.push("Echo", number, "é\u2028") for number in range(3)]
    ruby("queue", name="default", delete=jids[1])
    assert [json.loads(job)["jid"] for job in redis.lrange("queue:default", 0, -1)] == [jids[2], jids[0]]
    ruby("queue", name="default", clear=True)
    assert not redis.keys("queue*")
    client.push("Echo", 4)
    assert ruby("stats")["queues"] == {"default": 1}


def test_a_pause_holds_for_python(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """Sidekiq shows it on its page of queues; its open-source fetch heeds no pause."""
    redis.sadd("paused", "default")
    fastkiq.Client(redis_url).push_bulk("Echo", [(1,), (2,)])
    fastkiq.Client(redis_url).push("Echo", 3, queue="low")
    worker_process(APP, "-q", "default", "-q", "low")
    wait_until(lambda: len(ledger(redis)) == 1, 15, "the other queue to be served")
    summaries = ruby("stats")["summaries"]
    assert {name: (size, paused) for name, size, paused, _ in summaries} == {"default": (2, True), "low": (0, False)}
    assert [args for _, _, args in ledger(redis)] == [[3]]
    redis.srem("paused", "default")
    wait_until(lambda: len(ledger(redis)) == 3, 15, "the queue to be served again")


def test_sidekiq_itself_heeds_no_pause(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    """Only Sidekiq Pro does: who pauses a queue that open-source Ruby serves too stops one half of its processes."""
    redis.sadd("paused", "default")
    jid = fastkiq.Client(redis_url).push("Echo", 1)
    stats = ruby("stats")
    assert stats["summaries"][0][2] is True
    assert stats["all"][0][2] is False, "Queue#paused? is Pro's as well"
    ruby.serve()
    wait_until(lambda: ledger(redis) == [["ruby", jid, [1]]], 15, "Ruby to run it all the same")


def test_a_pause_reaches_workers_that_wait(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """An idle process waits in Redis for the next job: within a beat it does so no more."""
    client = fastkiq.Client(redis_url)
    worker_process("import fastkiq\nfastkiq.configure(lease=3)\n" + APP).wait_for("ready")
    client.push("Echo", 1)
    wait_until(lambda: len(ledger(redis)) == 1, 15, "it to be idle")
    redis.sadd("paused", "default")

    def blocked() -> bool:
        return any(b"blmove" in str(each["cmd"]).encode() for each in redis.client_list())

    wait_until(lambda: not blocked(), 10, "the wait to end")
    client.push("Echo", 2)
    assert ruby("stats")["summaries"][0][1:3] == [1, True]
    assert len(ledger(redis)) == 1
    redis.srem("paused", "default")
    wait_until(lambda: len(ledger(redis)) == 2, 15, "it to be run")


NOW = time.time()
OLD: dict[str, dict[str, Any]] = {
    "6.4": {"retry": 3, "queue": "default", "backtrace": 5, "class": "Boom", "args": [1], "jid": "a" * 24}
    | {"created_at": NOW - 100.5, "enqueued_at": NOW - 100.25},
    "7.3": {"retry": 3, "queue": "default", "args": [2.5], "class": "Boom", "jid": "b" * 24, "tags": ["x"]}
    | {"created_at": NOW - 90.125, "enqueued_at": NOW - 90.0625},
}
FAILED = {"error_message": "old", "error_class": "RuntimeError", "failed_at": NOW - 80.5, "retry_count": 1}


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("key", ["queue:default", "retry", "schedule"])
def test_times_of_older_releases(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, version: str, key: str
) -> None:
    """Float seconds, where 8.x has whole milliseconds, are understood and left as they are; Ruby 8 reads the result."""
    payload = {**OLD[version], **({**FAILED, "retried_at": NOW - 40.5} if key == "retry" else {})}
    raw = json.dumps(payload, separators=(",", ":"))
    job = Job.from_bytes(raw.encode())
    assert job.created_at is not None
    assert job.created_at.timestamp() == pytest.approx(payload["created_at"], abs=0.001)
    if key == "queue:default":
        redis.lpush(key, raw)
    else:
        redis.zadd(key, {raw: NOW - 1})
    worker_process(APP)
    wait_until(lambda: b"from Python" in b"".join(redis.zrange("retry", 0, -1)), 15, "it to fail")
    ((after, score),) = entries(redis, "retry")
    kept = {"jid", "created_at", "class", "args", "retry", *(["failed_at"] if key == "retry" else [])}
    assert {name: after[name] for name in kept} == {name: payload[name] for name in kept}
    assert after["retry_count"] == (2 if key == "retry" else 0)
    newest = after["retried_at" if key == "retry" else "failed_at"]
    assert type(newest) is int
    assert newest / 1000 == pytest.approx(time.time(), abs=60)
    (shown,) = ruby("sets")["retry"]
    assert shown["created_at"] == pytest.approx(payload["created_at"], abs=0.001)
    assert shown["failed_at"] == pytest.approx(FAILED["failed_at"] if key == "retry" else time.time(), abs=60)
    details = [["GET", "/retries"], ["GET", f"/retries/{score}-{payload['jid']}"]]
    assert [status for status, _ in ruby("web", requests=details)] == [200, 200]
