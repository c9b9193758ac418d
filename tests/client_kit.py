"""What the tests of enqueue calls share: workers, a configuration of their own, and what then lies in Redis."""

import asyncio
import json
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from redis import Redis

import fastkiq
from fastkiq import Config, registry
from fastkiq import config as configuration

JID = re.compile(r"[0-9a-f]{24}")


class Hard(fastkiq.Worker, queue="low", retry=5, name="app.Hard"):
    def perform(self, name: str, count: int = 1) -> Any:
        job = fastkiq.current_job()
        assert job is self.job
        return [name, count, self.jid, job.queue]


class Nested(fastkiq.Worker):
    def perform(self, value: Any) -> Any:
        if value == "raise":
            raise ValueError("of the job")
        return value


class Async(fastkiq.Worker):
    async def perform(self, value: Any) -> Any:
        await asyncio.sleep(0)
        job = fastkiq.current_job()
        assert job is not None
        return [value, job.jid == self.jid]


@pytest.fixture(autouse=True)
def config(request: pytest.FixtureRequest) -> Iterator[Config]:
    """The configuration of the process, on the test's own server when the test uses one."""
    fresh = Config()
    if "redis" in request.fixturenames:
        fresh.redis_url = request.getfixturevalue("redis_url")
    before = configuration.replace_default(fresh)
    names = registry.snapshot()
    yield fresh
    registry.restore(names)
    configuration.replace_default(before)


def queued(redis: Redis, queue: str = "low") -> list[dict[str, Any]]:
    return [json.loads(each) for each in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


def scheduled(redis: Redis) -> list[tuple[dict[str, Any], float]]:
    return [(json.loads(each), score) for each, score in redis.zrange("schedule", 0, -1, withscores=True)]


def tag(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
    assert JID.fullmatch(payload["jid"])
    payload["tenant"] = 7
    if payload["args"][0] == "move":
        payload["queue"] = "moved"
    if payload["args"][0] != "stop":
        yield
