"""Entries that Sidekiq 6.4.1 and 7.3.2 have written, whose times are float seconds, and `compat`, which writes such."""

import json
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq import _core
from fastkiq.errors import ConfigError
from fastkiq.job import Job
from old_payloads import APP, RECORDED, TIMES, put, worked_off
from readable import flaw
from servers import wait_until

Start = Callable[..., Child]


def test_both_versions_are_recorded() -> None:
    assert [json.loads(path.read_text())["version"] for path in RECORDED.values()] == ["6.4.1", "7.3.2"]


@pytest.mark.parametrize("version", RECORDED)
def test_they_are_read(redis: redis_py.Redis, version: str) -> None:
    before = put(redis, version)
    recorded_at = min(payload["created_at"] for payload in before.values())
    for key in ("schedule", "retry", "dead"):
        for raw, score in redis.zrange(key, 0, -1, withscores=True):
            job = Job.from_bytes(raw, at=score)
            assert job.created_at is not None
            assert abs(job.created_at.timestamp() - recorded_at) < 60
            if key != "schedule":
                assert job.failed_at is not None
                assert abs(job.failed_at.timestamp() - recorded_at) < 60
            assert flaw(key, raw) is None
    (twice,) = [raw for raw in redis.zrange("retry", 0, -1) if b'"retry_count":1' in raw]
    assert Job.from_bytes(twice).attempt == 3
    assert Job.from_bytes(twice).error_backtrace


@pytest.mark.parametrize("compat", [None, "sidekiq7"])
@pytest.mark.parametrize("version", RECORDED)
def test_they_run_and_fail_again(
    redis: redis_py.Redis, worker_process: Start, version: str, compat: str | None
) -> None:
    """As with Sidekiq 8: what was written stays a float, what is written now has today's form, or that of `compat`."""
    before = put(redis, version)
    worked_off(redis, worker_process, compat)
    now = float if compat else int
    for raw in redis.zrange("retry", 0, -1):
        assert raw.startswith(b'{"unheard":[1.50,"\\u00e9"],'), "as it was stored"
        after = json.loads(raw)
        old = before[after["jid"]]
        assert after["created_at"] == old["created_at"]
        assert type(after["created_at"]) is float
        # What lay in the queue was not moved there by fastkiq.
        assert type(after["enqueued_at"]) is (float if old["key"] == "queue:default" else now)
        if old["key"] == "retry":
            assert after["failed_at"] == old["failed_at"]
            assert after["retry_count"] == old["retry_count"] + 1
            assert type(after["retried_at"]) is now
        else:
            assert after["retry_count"] == 0
            assert type(after["failed_at"]) is now
        latest = after.get("retried_at", after["failed_at"])
        assert abs((latest if compat else latest / 1000) - time.time()) < 60
        assert flaw("retry", raw) is None
    assert redis.zcard("dead") == 1


def test_compat_writes_each_time_in_seconds(redis: redis_py.Redis, redis_url: str, worker_process: Start) -> None:
    """Pushes in every way, moves of the scheduler, both failures, deaths, unknown classes, what cannot be read."""
    config = fastkiq.Config(redis_url=redis_url, compat="sidekiq7")
    client = fastkiq.Client(config=config)
    client.push("OldBoom", 1)
    client.push("OldBoom", 2, in_=0.2)
    client.push("OldLast", 3, retry=0)
    client.push("Unknown", 4)
    client.push_bulk("OldBoom", [[5], [6]])
    client.push_bulk("OldBoom", [[7], [8]], at=time.time() + 0.2)
    client.core.push_payload({"class": "OldBoom", "queue": "default", "retry": True, "args": [9]})

    redis.lpush("queue:default", b"no job")
    stored = [*redis.lrange("queue:default", 1, -1), *redis.zrange("schedule", 0, -1)]
    child = worker_process(APP.format(compat="sidekiq7"))
    wait_until(lambda: redis.zcard("retry") == 8 and redis.zcard("dead") == 2, 20, "the failures")
    again = next(raw for raw in redis.zrange("retry", 0, -1) if b'"OldBoom"' in raw)
    redis.zadd("retry", {again: 1})
    wait_until(lambda: redis.zcount("retry", 2, "+inf") == 8, 20, "a second failure")
    stored += [*redis.zrange("retry", 0, -1), *redis.zrange("dead", 0, -1)]
    now, seen = time.time(), set()
    for raw in stored:
        for field in TIMES:
            if field in (payload := json.loads(raw)):
                assert type(payload[field]) is float, raw
                assert abs(payload[field] - now) < 60
                assert _core.encode(payload[field]) in raw, "as Ruby prints it"
                seen.add(field)
    assert seen == set(TIMES)
    assert child.stop() == 0


def test_compat_knows_one_word() -> None:
    with pytest.raises(ConfigError, match="compat must be one of sidekiq7, not 'sidekiq6'"):
        fastkiq.Config(compat="sidekiq6")
    with pytest.raises(ConfigError, match="compat"):
        _core.Client("redis://127.0.0.1:1", compat="sidekiq6")
