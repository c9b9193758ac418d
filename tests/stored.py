"""Jobs as they lie in Redis, for tests that look at them and move them."""

import json
import time
from typing import Any

import redis as redis_py

HOSTILE = "\x1b[2J[red]x[/red]\r\n\u202e\u2028"
"""What a terminal must never get as it is: an escape sequence, markup, line breaks, a bidirectional override."""


def jid(number: int) -> str:
    return f"{number:024x}"


def job(number: int, **fields: Any) -> bytes:
    """A job of an hour ago; the fields over its own."""
    created = int((time.time() - 3_600) * 1_000)
    usual = {"retry": True, "queue": "default", "class": "app.Mail", "args": [number], "jid": jid(number)}
    return json.dumps({**usual, "created_at": created, "enqueued_at": created, **fields}).encode()


def failed(number: int, error: str = "ValueError: boom", **fields: Any) -> bytes:
    kind, _, message = error.partition(": ")
    at = int((time.time() - 1_800) * 1_000)
    return job(number, **{"error_class": kind, "error_message": message, "failed_at": at, "retry_count": 0, **fields})


def put(redis: redis_py.Redis, key: str, *jobs: bytes, score: float | None = None) -> float:
    """Adds them to a sorted set, a second apart from each other; answers the first score."""
    first = time.time() + 600 if score is None else score
    redis.zadd(key, {raw: first + at for at, raw in enumerate(jobs)})
    return first
