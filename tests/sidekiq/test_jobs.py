"""Jobs that one side enqueues and the other runs: each argument arrives as it was, and Ruby finds its own bytes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries, ledger

Start = Callable[..., Child]

EXPONENTS = [0.1, 1e-4, 1e-5, 1.5e-7, 1e-9, 9.99e-10, 1e-10, 1e14, 123456789012345.6, 1e15, 1.5e16, 1e20, 1e100]
EXTREMES = [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.0, -0.0, -1.5, 3.0, 1 / 3, 1.2345678901234568e17]
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


@pytest.mark.both_servers
def test_python_enqueues_and_ruby_runs(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    client = fastkiq.Client(redis_url)
    ways = {
        "async": [client.push("Echo", *row) for row in ROWS],
        "in": [client.push("Echo", *row, in_=1) for row in ROWS],
        "bulk": client.push_bulk("Echo", ROWS),
        "set": [client.push("Echo", *row, queue="other", retry=False) for row in ROWS],
    }
    ruby.serve("-q", "default", "-q", "other", poll=0.2)
    wait_until(lambda: len(ledger(redis)) >= 4 * len(ROWS), 30, "all to be run")
    ran = {jid: args for side, jid, args in ledger(redis) if side == "ruby"}
    for way, sent in ways.items():
        assert same([ran[jid] for jid in sent if jid]) == same(ROWS), way


def test_ruby_would_write_the_same_bytes(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Or its `reschedule`, which looks for its own bytes, would double the job."""
    client = fastkiq.Client(redis_url)
    for name in ("Boom", "LastBoom", "Unknown"):
        client.push_bulk(name, ROWS)
    # No `retry` here: the worker's own counts are those of its class.
    for row in ROWS:
        client.push("Boom", *row, retry=3)
        client.push("LastBoom", *row, retry=0, tags=["é", "\u2028"])
        client.push("Echo", *row, in_=600, retry_for=3600, tags=["é"])
    child = worker_process(APP)
    wait_until(lambda: redis.zcard("dead") + redis.zcard("retry") == 5 * len(ROWS), 15, "all to fail")
    assert child.stop() == 0
    client.push_bulk("Echo", ROWS)
    client.push_bulk("Echo", ROWS, at=4_000_000_000)
    judged = ruby("bytes")
    assert judged["other"] == []
    assert set(judged["seen"]) == {"queue:default", "schedule", "retry", "dead"}
    assert all(count >= len(ROWS) for count in judged["seen"].values())
    assert all("error_message" in job for job, _ in [*entries(redis, "retry"), *entries(redis, "dead")])
