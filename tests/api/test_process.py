"""Processes and what runs in them, real and garbled ones; signals, pruning."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from api.kit import payload
from children import Child
from fastkiq import api
from fastkiq.api.process import signal
from fastkiq.errors import ArgumentError
from servers import wait_until

Start = Callable[..., Child]
pytestmark = pytest.mark.both_servers

INFO = {
    "hostname": "vm",
    "started_at": 1_790_000_000.5,
    "pid": 7,
    "tag": "app",
    "labels": ["a", 5],
    "version": "8.1.7",
    "queues": ["default", "low"],
    "embedded": False,
    "concurrency": 3,
    "capsules": {"default": {"concurrency": 3, "mode": "weighted", "weights": {"default": 2, "low": 1}}},
}
BEAT = {"busy": 1, "concurrency": 5, "beat": 1_790_000_100.25, "rtt_us": 400, "quiet": "false", "rss": 1_000}


def add(redis: redis_py.Redis, identity: bytes | str, info: Any = INFO, **fields: Any) -> None:
    redis.sadd("processes", identity)
    told = info if isinstance(info, (bytes, str)) else json.dumps(info).replace("Infinity", "1e999")
    redis.hset(identity, mapping={"info": told, **BEAT, **fields})


def test_a_process_as_it_told(inspected: api.Redis, redis: redis_py.Redis) -> None:
    add(redis, "vm:7:ab")
    (process,) = api.ProcessSet(inspected)
    assert (process.identity, process.hostname, process.pid, process.tag) == ("vm:7:ab", "vm", 7, "app")
    assert (process.labels, process.version, process.queues) == (["a"], "8.1.7", ["default", "low"])
    assert (process.concurrency, process.busy, process.rss, process.rtt) == (5, 1, 1_024_000, 0.0004)
    assert (process.beat, process.started_at) == (1_790_000_100.25, 1_790_000_000.5)
    assert (process.is_quiet, process.is_embedded, process.is_fastkiq) == (False, False, False)
    assert process.capsules["default"]["weights"] == {"default": 2, "low": 1}
    assert api.ProcessSet(inspected).get("vm:7:ab") == process
    assert api.ProcessSet(inspected).get("vm:8:ab") is None
    assert api.ProcessSet(inspected).get("\udc80") is None


def test_of_an_old_and_of_a_new_sidekiq(inspected: api.Redis, redis: redis_py.Redis) -> None:
    old = {key: value for key, value in INFO.items() if key != "capsules"}
    new = {key: value for key, value in INFO.items() if key not in ("queues", "concurrency")}
    add(redis, "a", old, concurrency="")
    add(redis, "b", new)
    first, second = api.ProcessSet(inspected)
    assert (first.concurrency, first.capsules, first.queues) == (3, {}, ["default", "low"])
    assert (second.concurrency, second.queues) == (5, ["default", "low"])


GARBAGE: list[Any] = [
    *(b"", b"no JSON", b"\xff", "[]", "5", "null", "{}", "x" * 200_000),
    {"hostname": ["x"], "pid": "7", "tag": {"a": 1}, "labels": "x", "version": 5, "queues": {"a": 1}, "capsules": [1]},
    {
        "hostname": "h" * 5_000,
        "started_at": "yesterday",
        "queues": [1, None],
        "capsules": {"a": 5, "b": {"weights": [1]}},
    },
    {"started_at": 1e999, "pid": 10**400, "concurrency": -5, "embedded": "yes"},
]


def test_garbled_ones(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for number, info in enumerate(GARBAGE):
        add(
            redis,
            f"p{number:02}",
            info,
            busy="many",
            beat="now",
            rss=-1,
            rtt_us="x",
            quiet="perhaps",
            concurrency=b"\xff",
        )
    redis.sadd("processes", b"\xff\x00", "gone", "string", "x" * 5_000)
    redis.set("string", "x")
    found = list(api.ProcessSet(inspected))
    assert [process.identity for process in found] == ["p08", "p09", "p10"]
    assert all(process.beat is None and process.busy == 0 and not process.is_quiet for process in found)
    assert found[0].hostname == "['x']"
    assert len(found[1].hostname) == 1_000
    assert found[2].started_at is None
    processes, busy, concurrency, rss = api.ProcessSet(inspected).totals()
    assert (processes, busy, concurrency, rss) == (len(GARBAGE), 0, 0, 0)
    redis.delete("processes")
    redis.set("processes", "x")
    listed = api.ProcessSet(inspected)
    assert list(listed) == []
    assert "something else" in listed.notes[0]


def test_pages(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for number in range(45):
        add(redis, f"vm:{number:02}:ab")
    found, cursor, steps = [], None, 0
    while True:
        page = api.ProcessSet(inspected).page(cursor, 20)
        found += [process.identity for process in page.items]
        assert page.total == 45
        steps += 1
        if (cursor := page.next) is None:
            break
    assert (found, steps) == ([f"vm:{number:02}:ab" for number in range(45)], 3)
    assert api.ProcessSet(inspected).size == 45
    with pytest.raises(ArgumentError, match="no cursor"):
        api.ProcessSet(inspected).page("xyz")


def test_very_many(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for start in range(0, 15_000, 5_000):
        redis.sadd("processes", *(f"vm:{number:05}:ab" for number in range(start, start + 5_000)))
    for number in range(0, 15_000, 4_000):
        add(redis, f"vm:{number:05}:ab")
    listed = api.ProcessSet(inspected)
    page = listed.page(limit=10)
    assert page.total == 10_000
    assert "15,000" in page.notes[0]
    assert api.Stats(inspected).summary().processes <= 5
    removed = 0
    while (now := listed.prune()) or removed == 0:
        removed += now
        redis.delete("process_cleanup")
    assert redis.smembers("processes") == {f"vm:{number:05}:ab".encode() for number in range(0, 15_000, 4_000)}


def test_who_has_expired_is_pruned_once_a_minute(inspected: api.Redis, redis: redis_py.Redis) -> None:
    add(redis, "here")
    add(redis, "long", "x" * 500_000)
    redis.sadd("processes", "gone", b"\xff gone")
    assert api.ProcessSet(inspected).prune() == 2
    assert redis.smembers("processes") == {b"here", b"long"}
    assert 0 < redis.ttl("process_cleanup") <= 60
    redis.sadd("processes", "gone")
    assert api.ProcessSet(inspected).prune() == 0


def test_signals(inspected: api.Redis, redis: redis_py.Redis) -> None:
    add(redis, "a")
    add(redis, "b", {**INFO, "embedded": True})
    listed = api.ProcessSet(inspected)
    assert (listed.quiet(), listed.stop()) == (1, 1)
    first, second = listed
    first.dump()
    second.quiet()
    assert redis.lrange("a-signals", 0, -1) == [b"TTIN", b"TERM", b"TSTP"]
    assert redis.lrange("b-signals", 0, -1) == [b"TSTP"]
    assert 0 < redis.ttl("a-signals") <= 60
    with pytest.raises(ArgumentError, match="TSTP"):
        signal(inspected, ["a"], "KILL")


APP = """
    import time
    import fastkiq

    fastkiq.configure(lease=2)

    class Slow(fastkiq.Worker, name="Slow"):
        def perform(self, number):
            time.sleep(60)
"""


def test_a_real_process_and_its_work(
    inspected: api.Redis, redis: redis_py.Redis, redis_url: str, worker_process: Start
) -> None:
    client = fastkiq.Client(redis_url)
    jids = [client.push("Slow", number) for number in range(3)]
    worker = worker_process(APP, "-c", "2", "-g", "mine", "-t", "1")
    work = wait_until(lambda: found if len(found := list(api.WorkSet(inspected))) == 2 else None, 20, "a beat")
    (process,) = api.ProcessSet(inspected)
    assert (process.tag, process.concurrency, process.busy, process.is_fastkiq) == ("mine", 2, 2, True)
    assert process.pid == worker.pid
    assert {each.job.jid for each in work} < set(jids)
    assert all(each.process == process.identity and each.queue == "default" for each in work)
    assert all(each.elapsed is not None and each.elapsed < 30 for each in work)
    one = api.WorkSet(inspected).find(work[0].job.jid)
    assert one is not None
    assert (one.thread, one.job.class_name) == (work[0].thread, "Slow")
    summary = api.Stats(inspected).summary()
    assert (summary.processes, summary.busy) == (1, 2)
    assert api.WorkSet(inspected).size == 2
    process.quiet()
    wait_until(lambda: api.ProcessSet(inspected).get(process.identity).is_quiet, 20, "it to be quiet")  # type: ignore[union-attr]
    process.stop()
    assert worker.wait() == 0
    assert list(api.ProcessSet(inspected)) == []
    assert api.Queue("default", inspected).size == 3


def test_work_of_many_processes(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for number in range(60):
        add(redis, f"p{number:02}", busy=4 if number % 2 else 0)
        if number % 2:
            for thread in range(4):
                work = {"queue": "q", "payload": payload(number * 10 + thread).decode(), "run_at": 100 - thread // 2}
                redis.hset(f"p{number:02}:work", f"t{thread}", json.dumps(work))
    found, cursor = [], None
    while True:
        page = api.WorkSet(inspected).page(cursor, 10)
        assert page.total == 120
        found += page.items
        if (cursor := page.next) is None:
            break
    assert [(work.process, work.thread) for work in found] == [
        (f"p{number:02}", f"t{thread}") for number in range(1, 60, 2) for thread in (2, 3, 0, 1)
    ]
    assert [work.job.jid for work in api.WorkSet(inspected)] == [work.job.jid for work in found]
    assert api.WorkSet(inspected).find("") is None


def test_garbled_work(inspected: api.Redis, redis: redis_py.Redis) -> None:
    add(redis, "p", busy=20)
    told = ["", "no JSON", "[]", '{"queue":5,"payload":{},"run_at":"x"}', '{"payload":"no JSON","run_at":1e999}']
    for number, each in enumerate([*told, "x" * 300_000]):
        redis.hset("p:work", f"t{number}", each)
    notes: list[str] = []
    page = api.WorkSet(inspected).page()
    assert len(page.items) == 6
    assert all(work.job.jid == "" and work.run_at is None and work.elapsed is None for work in page.items)
    assert "6 of 20" in page.notes[0]
    add(redis, "q", busy=1)
    redis.set("q:work", "x")
    assert len(list(api.WorkSet(inspected))) == 6
    assert api.WorkSet(inspected).of([], notes) == []


def test_stacks(inspected: api.Redis, redis: redis_py.Redis) -> None:
    add(redis, "theirs")
    add(redis, "ours", {**INFO, "version": "fastkiq 0.1.0"})
    ours, theirs = api.ProcessSet(inspected)
    with pytest.raises(ArgumentError, match=r"8\.1\.7"):
        api.ask_for_stacks(inspected, theirs)
    api.ask_for_stacks(inspected, ours)
    api.ask_for_stacks(inspected, ours)
    assert redis.lrange("ours-signals", 0, -1) == [b"STACKS"]
    assert api.stacks(inspected, "ours") is None
    now = time.time()
    told = {"at": now, "threads": "all of them", "t1": json.dumps({"stack": ["a.py:1", "b.py:2"]}), "t2": "no JSON"}
    redis.hset("fastkiq:stacks:ours", mapping=told)
    stacks = api.stacks(inspected, "ours")
    assert stacks is not None
    assert (stacks.threads, stacks.of_jobs) == ("all of them", {"t1": ["a.py:1", "b.py:2"], "t2": []})
    assert stacks.at == pytest.approx(now)
    redis.hset("fastkiq:stacks:ours", "at", "x")
    assert api.stacks(inspected, "ours") is None
