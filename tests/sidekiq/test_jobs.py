"""Jobs that one side enqueues and the other runs: each argument arrives as it was, and Ruby finds its own bytes."""

import asyncio
import json
import math
import random
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq.client import replace_default
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries, ledger

Start = Callable[..., Child]

EXPONENTS = [0.1, 1e-4, 1e-5, 1.5e-7, 1e-9, 9.99e-10, 1e-10, 1e14, 123456789012345.6, 1e15, 1.5e16, 1e20, 1e100]
EXTREMES = [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.0, -0.0, -1.5, 3.0, 1 / 3, 1.2345678901234568e17]


def floats(count: int) -> list[float]:
    """Of every size and form: random bits, short decimals, whole numbers, and the neighbours of where a form ends."""
    draw = random.Random(8)
    found = [5e-324, sys.float_info.min, sys.float_info.max, 0.0]
    for edge in (1e-10, 1e-9, 1e-5, 1e-4, 1.0, 1e14, 1e15, 1e16, 2.0**53, 1e22, 1e23):
        found += [edge, math.nextafter(edge, 0), math.nextafter(edge, math.inf)]
    while len(found) < count:
        (bits,) = struct.unpack("<d", draw.randbytes(8))
        subnormal = draw.randrange(2**52) * 5e-324
        decimal = float(f"{draw.randrange(1000)}.{draw.randrange(100)}e{draw.randrange(-30, 30)}")
        whole = float(draw.randrange(2**60))
        found += [number for number in (bits, subnormal, decimal, whole) if math.isfinite(number)]
    return found + [-number for number in found]


def nested(depth: int) -> Any:
    """So deep that the payload, in which it is an argument, is nested `depth` deep."""
    value: Any = None
    for level in range(depth - 2):
        value = [value] if level % 2 else {"é": value}
    return value


FLOATS = floats(2_000)
ROWS: list[list[Any]] = [
    [],
    [None],
    [True, False, 0, -1, 1],
    [2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, -(10**400)],
    [*EXPONENTS, *EXTREMES, *(-number for number in EXPONENTS)],
    [
        "",
        "é",
        "日本語",
        "😀 e\u0301 \U0010ffff",
        "\u2028\u2029",
        "/ </script> &",
        "\x00\x01\x1f\x7f\x80",
        '"\\\b\f\n\r\t',
    ],
    [[], {}, [[]], [{}], {"": ""}, {"a": {"b": [1, {"c": None}]}, "é\u2028": [[[[]]]]}],
    [{"z": 1, "a": 2, "class": "x", "jid": None}, "x" * 10_000],
    ["".join(map(chr, range(256))), {chr(code): chr(code) for code in range(32)}],
    [nested(100), nested(3)],
    *(FLOATS[start : start + 500] for start in range(0, len(FLOATS), 500)),
]
"""Every JSON type, and whatever has been written in two ways before."""


def same(rows: list[Any]) -> list[str]:
    """Texts to compare by: 1 is not 1.0 and 0.0 is not -0.0."""
    return sorted(json.dumps(row) for row in rows)


@pytest.mark.both_servers
def test_ruby_enqueues_and_python_runs(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    worker_process(APP, "-q", "default", "-q", "other").wait_for("ready")
    jids = ruby("enqueue", rows=ROWS)
    wait_until(lambda: len(ledger(redis)) >= 4 * len(ROWS), 15, "all to be run")
    ran = {jid: args for side, jid, args in ledger(redis) if side == "python"}
    for way, sent in jids.items():
        assert same([ran[jid] for jid in sent]) == same(ROWS), way
    assert len(ran) == 4 * len(ROWS)


def pushed(redis_url: str) -> dict[str, list[str | None]]:
    """The rows enqueued in each of fastkiq's ways; the jids by way."""

    class Echo(fastkiq.Worker, name="Echo"):
        def perform(self, *args: Any) -> None: ...

    client = fastkiq.Client(redis_url)
    soon = time.time() + 1

    async def twins() -> dict[str, list[str | None]]:
        return {
            "aperform_async": [await Echo.aperform_async(*row) for row in ROWS],
            "aperform_in": [await Echo.aperform_in(1, *row) for row in ROWS],
            "aperform_bulk": list(await Echo.aperform_bulk(ROWS)),
        }

    def payload(row: list[Any], **fields: Any) -> dict[str, Any]:
        return {"class": "Echo", "queue": "default", "retry": True, "args": row, **fields}

    before = replace_default(client)
    try:
        return {
            "push": [client.push("Echo", *row) for row in ROWS],
            "push_bulk": list(client.push_bulk("Echo", ROWS)),
            "perform_async": [Echo.perform_async(*row) for row in ROWS],
            "perform_in": [Echo.perform_in(1, *row) for row in ROWS],
            "perform_at": [Echo.perform_at(soon, *row) for row in ROWS],
            "perform_bulk": list(Echo.perform_bulk(ROWS)),
            "set": [Echo.set(queue="other", retry=False).perform_async(*row) for row in ROWS],
            "push_payload": [client.core.push_payload(payload(row)) for row in ROWS],
            "push_payloads": list(client.core.push_payloads(payload(row, at=soon) for row in ROWS)),
            **asyncio.run(twins()),
        }
    finally:
        replace_default(before)


@pytest.mark.both_servers
def test_python_enqueues_and_ruby_runs(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    ways = pushed(redis_url)
    ruby.serve("-q", "default", "-q", "other", poll=0.2)
    wait_until(lambda: redis.llen("ledger") >= len(ways) * len(ROWS), 40, "all to be run")
    ran = {jid: args for side, jid, args in ledger(redis) if side == "ruby"}
    for way, sent in ways.items():
        assert same([ran[jid] for jid in sent if jid]) == same(ROWS), way
    assert len(ran) == len(ways) * len(ROWS)


WAITS = """
class Waits(fastkiq.Worker, name="Waits"):
    def perform(self, *args):
        import threading
        threading.Event().wait()
"""


def test_ruby_would_write_the_same_bytes(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Or its `reschedule`, which looks for its own bytes, would double the job. All that lies in Redis, twice."""
    client = fastkiq.Client(redis_url)
    for name in ("Boom", "LastBoom", "Unknown"):
        client.push_bulk(name, ROWS)
    # No `retry` here: the worker's own counts are those of its class.
    for row in ROWS:
        client.push("Boom", *row, retry=3)
        client.push("LastBoom", *row, retry=0, tags=["é", "\u2028"])
        client.push("Echo", *row, in_=600, retry_for=3600, tags=["é"])
    redis.lpush("queue:default", b"no \x1b job \xe2\x80\xa8", b"nor \xff", b'["\\ud800"]')
    child = worker_process(APP + WAITS, "-c", "30")
    wait_until(lambda: redis.zcard("dead") + redis.zcard("retry") == 5 * len(ROWS) + 3, 15, "all to fail")

    # Second failures, and what the scheduler moves to a queue that nobody takes from.
    failed = dict.fromkeys(redis.zrange("retry", 0, -1), 1)
    redis.zadd("retry", failed)
    wait_until(lambda: redis.zcount("retry", 0, 1) == 0, 15, "all to be moved")
    wait_until(lambda: redis.zcard("retry") == len(failed), 15, "all to fail again")
    client.push_bulk("Echo", ROWS, at=time.time() + 0.3, queue="other")
    client.push_bulk("Waits", ROWS)
    wait_until(lambda: redis.llen("queue:other") == len(ROWS) and list(redis.scan_iter("*:work")), 20, "the schedule")
    (work,) = redis.scan_iter("*:work")
    wait_until(lambda: redis.hlen(work) == len(ROWS), 15, "a beat with all that wait")
    running = ruby("bytes")
    assert running["other"] == []
    kinds = {"queue:other", "schedule", "retry", "dead", "flight", "work", "job of work"}
    assert kinds <= set(running["seen"])
    assert all(running["seen"][kind] >= len(ROWS) for kind in kinds)

    # What was given back at the stop, and what was pushed since.
    child.stop()
    assert redis.llen("queue:default") == len(ROWS)
    client.push_bulk("Echo", ROWS, queue="fresh")
    client.push_bulk("Echo", ROWS, at=4_000_000_000)
    stopped = ruby("bytes")
    assert stopped["other"] == []
    assert {"queue:default", "queue:fresh", "queue:other", "schedule", "retry", "dead"} <= set(stopped["seen"])
    assert all("error_message" in job for job, _ in [*entries(redis, "retry"), *entries(redis, "dead")])
    assert any("retried_at" in job for job, _ in entries(redis, "retry"))
