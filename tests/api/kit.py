"""Payloads for the tests of the inspection API, and what no set should hold but may."""

import json
import time
from typing import Any

import redis as redis_py

JID = "{:024x}"
NOW = 1_790_000_000


def payload(number: int, **fields: Any) -> bytes:
    """As Ruby writes it: compact; `fields` come last."""
    own = {"retry": True, "queue": "default", "args": [number], "class": "Hard", "jid": JID.format(number)}
    text = json.dumps({**own, "created_at": NOW * 1000, **fields}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("Infinity", "1e999").encode()


def failed(number: int, **fields: Any) -> bytes:
    """As `payload`, with what a first failure leaves."""
    error = {"error_message": f"boom {number}", "error_class": "ValueError", "failed_at": NOW * 1000, "retry_count": 0}
    return payload(number, enqueued_at=NOW * 1000, **{**error, **fields})


def fill(redis: redis_py.Redis, key: str, members: dict[bytes, float]) -> dict[bytes, float]:
    """Adds them, some thousands at a time."""
    pairs = list(members.items())
    for start in range(0, len(pairs), 5_000):
        redis.zadd(key, dict(pairs[start : start + 5_000]))
    return members


HOSTILE: dict[bytes, float] = {
    b"not JSON": 1.0,
    b"": 2.0,
    b"\xff\xfe\x00": 3.0,
    b"[1,2]": 4.0,
    b"{}": 5.0,
    b'{"jid":5,"class":[],"args":{},"queue":7,"tags":3,"error_class":{},"error_message":[1]}': -5.0,
    b'{"class":"NoJid","args":[],"queue":"default"}': 1e300,
    payload(1, jid='a"quoted"\n-jid'): float("inf"),
    payload(2, jid="-"): float("-inf"),
    payload(3, jid="with - dashes - 1e-5"): 1e-5,
    payload(4, jid="~5"): 0.0,
    payload(5, queue="no/queue that can be\n"): 7.5,
    payload(6, created_at="yesterday", failed_at={}, retried_at=1e999, retry_count="x", error_backtrace=[1]): 8.0,
    payload(7, **{"class": "<script>alert(1)</script>"}): time.time(),
    b'{"class":"Deep","args":' + b"[" * 99 + b"]" * 99 + b',"jid":"deep"}': 9.0,
    b'{"class":"TooDeep","args":' + b"[" * 5_000 + b"]" * 5_000 + b',"jid":"deeper"}': 10.0,
    b'{"class":"Surrogate","args":["\\ud800"],"jid":"\\udc80"}': 11.0,
}
