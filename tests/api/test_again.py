"""A job once more, as a new one."""

import json
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from api.kit import failed, payload
from fastkiq import api
from fastkiq.errors import ArgumentError
from fastkiq.job import Job

WRAPPER = {"class": "Sidekiq::ActiveJob::Wrapper", "wrapped": "MailJob", "args": [{"arguments": [1]}]}


def again(redis: redis_py.Redis, redis_url: str, raw: bytes, **options: Any) -> dict[str, Any]:
    jid = api.run_again(Job.from_bytes(raw), client=fastkiq.Client(redis_url), **options)
    (stored,) = [raw for key in redis.keys("queue:*") for raw in redis.lrange(key, 0, -1)]
    found: dict[str, Any] = json.loads(stored)
    assert found["jid"] == jid
    return found


@pytest.mark.both_servers
def test_as_it_was(redis: redis_py.Redis, redis_url: str) -> None:
    raw = failed(1, queue="mail", retry=5, tags=["a"], unheard=[1.5, "é"], bid="b", error_backtrace="eJ")
    found = again(redis, redis_url, raw)
    kept = {key: found[key] for key in ("class", "args", "queue", "retry", "tags", "unheard")}
    assert kept == {"class": "Hard", "args": [1], "queue": "mail", "retry": 5, "tags": ["a"], "unheard": [1.5, "é"]}
    assert set(found) == {*kept, "jid", "created_at", "enqueued_at"}
    assert found["jid"] != Job.from_bytes(raw).jid


@pytest.mark.both_servers
def test_with_other_arguments(redis: redis_py.Redis, redis_url: str) -> None:
    assert again(redis, redis_url, failed(1), args=("x", {"a": None}))["args"] == ["x", {"a": None}]


def test_of_active_job_s(redis: redis_py.Redis, redis_url: str) -> None:
    raw = payload(1, **WRAPPER)
    with pytest.raises(ArgumentError, match="Rails"):
        again(redis, redis_url, raw, args=[1])
    assert again(redis, redis_url, raw)["args"] == [{"arguments": [1]}]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"class":"A","args":{}}', payload(1, queue=5), payload(1, **{"class": 5})]
)
def test_what_cannot_be_run(raw: bytes, redis: redis_py.Redis, redis_url: str) -> None:
    with pytest.raises(ArgumentError, match="no job"):
        api.run_again(Job.from_bytes(raw), client=fastkiq.Client(redis_url))
    with pytest.raises(ArgumentError, match="encrypted"):
        api.run_again(Job.from_bytes(payload(1, encrypt=True)), client=fastkiq.Client(redis_url))
    with pytest.raises(ArgumentError):
        api.run_again(Job.from_bytes(payload(1)), [object()], client=fastkiq.Client(redis_url))
    assert redis.keys("queue:*") == []
