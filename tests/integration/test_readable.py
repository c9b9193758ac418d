"""No writer of fastkiq leaves what takes a page of Sidekiq's Web UI down (`tests/readable.py`), whatever it is given.

What others wrote into a queue goes back to it as it was; into the sorted sets it goes mended, or whole inside a payload
that can be read.
"""

import json
import random
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import fastkiq
from children import Child, clean_environment
from children import fastkiq as fastkiq_command
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from readable import UNREADABLE, flaw, kept, parsed
from servers import wait_until
from sidekiq import test_crashes

Start = Callable[..., Child]

APP = """
    import fastkiq

    class Fails(fastkiq.Worker, name="Fails", backtrace=3):
        @classmethod
        def retry_in(cls, count, error, job):
            return fastkiq.KILL if "kill" in str(job.args) else 300

        def perform(self, *args):
            if "snooze" in args:
                raise fastkiq.Snooze(300)
            if "discard" in args:
                raise fastkiq.Discard()
            raise ValueError("b\\ud800m")
"""
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 5, 10**40, 1.5, 1e300, "", "x", "2026-01-01", "eJzz", "\ud800"),
    *([], ["a"], [1, None], {}, {"a": 1}),
]
HOSTILE = st.sampled_from(VALUES)
FIELDS = [
    *("tags", "cattr", "queue", "created_at", "enqueued_at", "failed_at", "retried_at", "discarded_at", "retry_count"),
    *(
        "error_backtrace",
        "error_message",
        "error_class",
        "encrypt",
        "wrapped",
        "jid",
        "retry",
        "retry_for",
        "display_class",
    ),
    *("args", "class", "backtrace", "dead", "bid", "locale"),
]
CLASSES = ["Fails", "Unknown", "Sidekiq::ActiveJob::Wrapper", UNREADABLE]
# What no job can be made of, or what Ruby alone reads otherwise.
SHARP = [
    b"no job",
    b"",
    b"[1]",
    b"null",
    b"{}",
    b"\xff\x00",
    b'{"class":"Fails","args":[{"a":1,"a":2}],"queue":"mail","jid":"dup"}',
    b'{"class":"Fails","args":["\\ud800"],"queue":"mail","jid":"lone"}',
    b'{"class":"Fails","args":[1e999],"created_at":1e999}',
    b'{"class":"Fails","args":' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"class":"Fails","args":["' + b"x" * 3000 + b'"],"queue":"mail","jid":"long"}',
    b'{"class":"Fails","args":["' + b"x" * 3000,
]
LIMIT = "\n    fastkiq.configure(max_payload_bytes=2048)\n"


ARGS: list[list[Any]] = [[], [1], ["kill"], ["snooze"], ["discard"], [{"arguments": []}]]


def payloads(seed: int) -> list[bytes]:
    """A hundred, each another one. Hypothesis draws the seed only: drawn by it, they would take a minute."""
    draw = random.Random(seed)

    def one() -> bytes:
        fields = {key: draw.choice(VALUES) for key in draw.sample(FIELDS, draw.randrange(7))}
        return json.dumps({"class": draw.choice(CLASSES), "args": draw.choice(ARGS), **fields}).encode()

    return list({*SHARP, *(one() for _ in range(100))})


def unsafe(redis: redis_py.Redis, *keys: str) -> list[tuple[str, str, bytes]]:
    """Everything in the sorted sets and these keys that would crash a page."""
    found = [(key, member) for key in ("retry", "dead", "schedule") for member in redis.zrange(key, 0, -1)]
    found += [(key, member) for key in keys for member in redis.lrange(key, 0, -1)]
    return [(key, why, member) for key, member in found if (why := flaw(key, member))]


def drained(redis: redis_py.Redis) -> bool:
    return redis.llen("queue:default") == 0 and not list(redis.scan_iter("fastkiq:flight:*"))


@pytest.fixture
def failing(worker_process: Start) -> Child:
    child = worker_process(APP + LIMIT, "-c", "4")
    child.wait_for("ready")
    return child


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_what_was_claimed(redis: redis_py.Redis, failing: Child, seed: int) -> None:
    """Failures, deaths, snoozes, discards, unknown classes, and what no job can be made of."""
    redis.delete("retry", "dead", "schedule", "fastkiq:suspects")
    redis.lpush("queue:default", *payloads(seed))
    wait_until(lambda: drained(redis), 20, "all to be settled")
    assert unsafe(redis) == []
    assert failing.returncode is None


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("key", ["retry", "schedule"])
def test_what_fell_due(redis: redis_py.Redis, failing: Child, key: str, seed: int) -> None:
    """Moved to a queue that a worker takes it from, to one that it lies in, or, where that is no list, to dead."""
    redis.delete("retry", "dead", "schedule", *redis.keys("queue:*"))
    redis.set("queue:x", "no list")
    # A backtrace that begins like one and does not unpack is moved as it is: the core has no zlib.
    redis.zadd(key, {each: 1 for each in payloads(seed) if b"eJzz" not in each})
    wait_until(lambda: redis.zcount(key, 0, 1) == 0 and drained(redis), 20, "all to be moved")
    queues = [name.decode() for name in redis.keys("queue:*") if name != b"queue:x"]
    assert unsafe(redis, *queues) == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), HOSTILE, max_size=4),
    args=st.lists(HOSTILE, max_size=3),
    at=st.sampled_from([None, 4e9, 1.0]),
)
def test_what_is_pushed_by_middleware(redis: redis_py.Redis, redis_url: str, fields: Any, args: Any, at: Any) -> None:
    """A whole payload, as the core takes it: refused, or safe in its queue and in the schedule."""
    redis.flushdb()
    core = fastkiq.Client(redis_url).core
    payload = {"queue": "mail", "class": "A", "args": args, "retry": True, "at": at, **fields}
    try:
        core.push_payload(payload)
    except ArgumentError:
        assert redis.keys("*") == []
    else:
        queues = [name.decode() for name in redis.keys("queue:*")]
        assert unsafe(redis, *queues) == []


OPTIONS: Any = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.sampled_from(["default", "a:b.c-d", ""]),
        "retry": st.sampled_from([True, False, 0, 3, "x"]),
        "tags": st.sampled_from([[], ["a"], ["\u2028<b>"], "x", [5], {}]),
        "backtrace": st.sampled_from([True, False, 5, "x"]),
        "dead": st.booleans(),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(options=OPTIONS, args=st.lists(HOSTILE, max_size=3), at=st.sampled_from([None, 4e9, 1.0, -5.0]))
def test_what_is_pushed(redis: redis_py.Redis, redis_url: str, options: Any, args: Any, at: Any) -> None:
    redis.flushdb()
    client = fastkiq.Client(redis_url)
    try:
        client.push("some.Name", *args, at=at, **options)
        client.push_bulk("some.Name", [args, args], at=at, **options)
    except ArgumentError:
        pass
    queues = [name.decode() for name in redis.keys("queue:*")]
    assert unsafe(redis, *queues) == []


def test_what_a_dead_process_had(redis: redis_py.Redis, worker_process: Start) -> None:
    """Rescued to dead: poison pills, and jobs whose queue is no list any more."""
    odd = [
        b'{"class":"Fails","args":[1],"jid":"pill","tags":"x","created_at":"now","error_backtrace":[1],"enqueued_at":{}}',
        b'{"class":"Fails","args":[{"a":1,"a":2}],"jid":"pill2","queue":5,"cattr":false}',
        b'{"class":"Fails","args":[{"a":1,"a":2}],"jid":"pill3","queue":"default"}',
        b"no job",
    ]
    redis.set("queue:gone", "no list")
    for name, jobs in (("default", odd), ("gone", [job.replace(b"pill", b"gone") for job in odd])):
        redis.rpush(f"fastkiq:flight:dead:1:x:{name}:1", *jobs)
        redis.sadd("fastkiq:flights:dead:1:x", f"{name}:1")
    redis.hset("fastkiq:process:dead:1:x", mapping={"queues": "default gone", "schema": "1"})
    for jid in ("pill", "pill2"):
        redis.hset("fastkiq:suspects", jid, f"2:1:{int(redis.time()[0])}")
    # As the recovery finds it: registered, and silent for longer than its lease.
    redis.zadd("fastkiq:alive", {"dead:1:x": 1})
    worker_process(APP + "\n    fastkiq.configure(lease=2)\n")
    wait_until(lambda: redis.zcard("dead") >= 6, 60, "the pills and what had no queue, dead")
    wait_until(lambda: drained(redis), 20, "the rest")
    assert unsafe(redis) == []
    dead = redis.zrange("dead", 0, -1)
    pills = [json.loads(entry) for entry in dead if b"PoisonPill" in entry]
    assert {pill["jid"] for pill in pills} == {"pill", "pill2"}
    assert [kept(entry) for entry in dead].count(b"no job") == 2


def test_work_in_progress(redis: redis_py.Redis, worker_process: Start) -> None:
    child = worker_process(
        """
        import time
        import fastkiq

        class Waits(fastkiq.Worker, name="Waits"):
            def perform(self):
                time.sleep(60)
        """,
        *("-t", "0"),
    )
    redis.lpush("queue:default", b'{"class":"Waits","args":[],"jid":"w","tags":"x","encrypt":true}')
    wait_until(lambda: list(redis.scan_iter("*:work")), 20, "a beat")
    ((key,)) = redis.scan_iter("*:work")
    (work,) = map(json.loads, redis.hvals(key))
    assert set(work) == {"queue", "payload", "run_at"}
    shown = parsed(work["payload"].encode())
    assert (shown["tags"], "encrypt" in shown) == (["x"], False)
    info = json.loads(redis.hget(key.removesuffix(b":work"), "info"))
    assert {"queues", "capsules", "started_at"} <= set(info)
    child.close()


def test_what_was_unreadable_stays_as_it_is_when_it_is_retried(redis: redis_py.Redis, failing: Child) -> None:
    """Whatever a UI does with it: it is neither unpacked nor packed once more."""
    redis.lpush("queue:default", b"no \xff job")
    wait_until(lambda: redis.zcard("dead") == 1, 20, "it to die")
    ((first, _),) = redis.zpopmin("dead")
    payload = json.loads(first)
    assert (payload["class"], payload["queue"], payload["retry"]) == (UNREADABLE, "default", False)
    assert kept(first) == b"no \xff job"
    assert payload["error_message"].startswith("it is not JSON")
    again = first.replace(b'"retry":false', b'"retry":false,"enqueued_at":1795305947963')
    redis.lpush("queue:default", again)
    wait_until(lambda: redis.zcard("dead") == 1, 20, "it to die again")
    assert redis.zrange("dead", 0, -1) == [again]
    failing.wait_for("it holds what could not be read before")
    redis.zadd("schedule", {again: 1})
    wait_until(lambda: redis.zcard("schedule") == 0 and drained(redis), 20, "it to die from the schedule")
    assert {kept(entry) for entry in redis.zrange("dead", 0, -1)} == {b"no \xff job"}
    job = Job.from_bytes(first)
    assert (job.class_name, job.args[0]) == (UNREADABLE, "base64")


@pytest.mark.parametrize("listing", ["stats", "queues", "busy", "retries", "scheduled", "dead"])
def test_listings_survive_every_row(redis: redis_py.Redis, redis_url: str, listing: str) -> None:
    rows = [test_crashes.entry(**{key: value}) for key, values in test_crashes.ROWS.items() for value in values]
    rows += test_crashes.RAW
    for key in ("retry", "schedule", "dead"):
        redis.zadd(key, {row: number for number, row in enumerate(rows)})
    for number, row in enumerate(rows):
        redis.sadd("queues", f"q{number}")
        redis.lpush(f"queue:q{number}", row)
        redis.sadd("processes", f"p{number}")
        redis.hset(f"p{number}", mapping={"info": row, "busy": "x"})
        redis.hset(f"p{number}:work", mapping={"a": row, "b": b'{"queue":"q","run_at":"x","payload":' + row + b"}"})
    for form in ([], ["--json"]):
        answer = subprocess.run(
            fastkiq_command(listing, *form, "--redis", redis_url),
            capture_output=True,
            env=clean_environment(),
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        assert b"Traceback" not in answer.stderr
