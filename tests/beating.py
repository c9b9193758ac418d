"""Processes, running jobs and metrics as workers leave them in Redis, for the tests of the pages."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import redis as redis_py


def identity(number: int) -> str:
    return f"app-{number:03}:{1_000 + number}:{number:012x}"


def beat(redis: redis_py.Redis, name: str, *, ago: float = 1, **told: Any) -> str:
    """A process that has just shown itself; what is told beside its hash's own fields goes into its facts."""
    fields = {"busy": 0, "concurrency": 5, "rss": 102_400, "quiet": "false", "rtt_us": 350}
    fields |= {key: told.pop(key) for key in list(told) if key in fields}
    host, pid, *_ = [*name.split(":"), "0", "0"]
    info: dict[str, Any] = {
        "hostname": host,
        "pid": int(pid) if pid.isdigit() else 0,
        "tag": "shop",
        "labels": ["reliable"],
        "started_at": time.time() - 3_600,
        "version": "fastkiq 0.1.0",
        "embedded": False,
        "queues": ["default"],
        "capsules": {"default": {"concurrency": 5, "mode": "weighted", "weights": {"critical": 3, "default": 1}}},
    }
    redis.sadd("processes", name)
    redis.hset(name, mapping={**fields, "beat": time.time() - ago, "info": json.dumps({**info, **told})})
    return name


def work(redis: redis_py.Redis, process: str, thread: str, *, ago: float = 7, **fields: Any) -> None:
    """A job that runs there."""
    payload = {"class": "shop.Mail", "jid": "1" * 24, "args": [1, "x"], "queue": "default", "retry": True, **fields}
    entry = {"queue": payload["queue"], "payload": json.dumps(payload), "run_at": int(time.time() - ago)}
    redis.hset(f"{process}:work", thread, json.dumps(entry))
    redis.hset(process, "busy", redis.hlen(f"{process}:work"))


def told(redis: redis_py.Redis, process: str, stacks: Mapping[str, Sequence[str]], threads: str = "") -> None:
    """What a process answers that is asked for its stacks."""
    fields = {thread: json.dumps({"stack": list(stack)}) for thread, stack in stacks.items()}
    redis.hset(f"fastkiq:stacks:{process}", mapping={"at": time.time(), "threads": threads, **fields})


def ran(
    redis: redis_py.Redis, name: str, at: datetime, *, runs: int, failed: int = 0, ms: int = 0, **buckets: int
) -> None:
    """What a minute's runs of a class leave, in both of their hashes; `b3=2`: two of them in the fourth bucket."""
    at = at.astimezone(UTC)
    for key in (f"j|{at:%y%m%d}|{at.hour}:{at:%M}", f"j|{at:%y%m%d}|{at.hour}:{at.minute // 10}"):
        for what, count in (("p", runs), ("f", failed), ("ms", ms)):
            redis.hincrby(key, f"{name}|{what}", count)
    counts = [buckets.get(f"b{bucket}", 0) for bucket in range(26)]
    redis.set(f"h|{name}-{at.day}-{at.hour}:{at.minute}", b"".join(each.to_bytes(2, "big") for each in counts))


def deployed(redis: redis_py.Redis, at: datetime, label: str) -> None:
    """A deploy mark."""
    at = at.astimezone(UTC)
    redis.hset(f"{at:%Y%m%d}-marks", f"{at:%Y-%m-%dT%H:%M}:00Z", label)
