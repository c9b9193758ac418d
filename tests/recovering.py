"""What `fastkiq recover` is tested on: dead processes, and a clock that only the waits move."""

import json
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis as redis_py

from children import Child
from fastkiq import _core
from fastkiq.client import Client
from faults.kit import APP
from servers import wait_until

Start = Callable[..., Child]
BOUNDS = (10_000, 15_552_000.0)
GHOST = "h:1:0123456789ab"


@pytest.fixture
def ask(ask: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`fastkiq recover`."""
    return partial(ask, "recover")


@pytest.fixture
def core(redis_url: str) -> _core.Client:
    return Client(redis_url).core


def contents(redis: redis_py.Redis) -> dict[bytes, bytes]:
    return {key: redis.dump(key) for key in redis.scan_iter()}


def document(answer: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    assert answer.returncode == code, answer
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def ghost(
    redis: redis_py.Redis, identity: str = GHOST, queue: str = "default", number: int = 1, jobs: str = "ab"
) -> None:
    """A dead process of which nothing but a flight is left; the last of `jobs` is the oldest."""
    redis.rpush(f"fastkiq:flight:{identity}:{queue}:{number}", *[payload(job) for job in jobs])


def payload(name: str) -> bytes:
    return json.dumps({"class": "X", "jid": name * 24, "args": [], "queue": "default"}).encode()


def names(redis: redis_py.Redis, queue: str = "default") -> str:
    """The queue's jobs, the next first."""
    return "".join(json.loads(raw)["jid"][0] for raw in reversed(redis.lrange(f"queue:{queue}", 0, -1)))


def busy(worker_process: Start, redis_url: str, redis: redis_py.Redis, *arguments: str, name: str = "app") -> Child:
    """A worker with three jobs of a minute, on a queue with colons."""
    Client(redis_url).push_bulk("app.Work", [(60,)] * 3, queue="a:1:b")
    before = redis.llen("ledger:begun")
    child = worker_process(APP, "-c", "3", "-q", "a:1:b", "-q", "default", *arguments)
    wait_until(lambda: redis.llen("ledger:begun") == before + 3, 10, "three begun")
    return child


class Time:
    """A clock that only the waits move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
