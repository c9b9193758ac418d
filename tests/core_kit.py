"""What the tests of the core's client share: clients of its own, a job, and what then lies in Redis."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from fastkiq import _core
from proxy import Proxy

HARD = _core.Template("HardWorker", {"retry": 5, "queue": "critical", "tags": ["a"]})


@pytest.fixture
def client(redis_url: str) -> Iterator[_core.Client]:
    made = _core.Client(redis_url)
    yield made
    made.close()


@pytest.fixture
def proxied(proxy: Proxy) -> Iterator[_core.Client]:
    made = _core.Client(proxy.url, connect_timeout=2, timeout=1)
    yield made
    made.close()


def stored(redis: redis_py.Redis, queue: str = "critical") -> list[dict[str, Any]]:
    """What lies in a queue, oldest first."""
    return [json.loads(payload) for payload in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


def scheduled(redis: redis_py.Redis) -> list[tuple[dict[str, Any], float]]:
    return [(json.loads(payload), score) for payload, score in redis.zrange("schedule", 0, -1, withscores=True)]


def args_of(redis: redis_py.Redis, queue: str = "critical") -> list[Any]:
    return [payload["args"] for payload in stored(redis, queue)]
