"""The inspection API among Sidekiq's: it acts on what Ruby wrote, Ruby reads what it left, and both count the same."""

import html
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq import api
from fastkiq._core import splice
from servers import wait_until
from sidekiq.judge import APP, Ruby, ledger

Start = Callable[..., Child]
Stored = dict[str, dict[bytes, float]]

PATHS = {"retry": "retries", "dead": "morgue", "schedule": "scheduled"}
KINDS: dict[str, type[api.JobSet]] = {"retry": api.RetrySet, "dead": api.DeadSet, "schedule": api.ScheduledSet}
UNHEARD = {"cattr": {"_aj_symbol_keys": ["a"]}, "bid": "x", "tags": ["é\u2028"], "unheard": [1.5e16, 1e-10, -0.0]}
ACTIONS = {
    "schedule": ("enqueue", "kill", "delete", "reschedule"),
    "retry": ("retry", "enqueue", "kill", "delete", "reschedule"),
    "dead": ("retry", "enqueue", "delete", "reschedule"),
}


@pytest.fixture
def inspected(redis_url: str) -> api.Redis:
    return api.connect(url=redis_url)


def stored(redis: redis_py.Redis) -> Stored:
    return {key: dict(redis.zrange(key, 0, -1, withscores=True)) for key in KINDS}


@pytest.fixture
def filled(ruby: Ruby, redis: redis_py.Redis) -> Stored:
    """Entries of Ruby's, six in each set."""
    for number in range(6):
        own = {"queue": "default", "args": [number, "é"], "created_at": int(time.time() * 1000), **UNHEARD}
        for name, retry in (("Boom", 3), ("LastBoom", 0)):
            job = {"class": name, "jid": secrets.token_hex(12), "retry": retry, "backtrace": 20, **own}
            redis.lpush("queue:default", json.dumps(job))
        ruby("push", item={"class": "Echo", "args": [number], "at": 4_000_000_000.25, **UNHEARD})
    child = ruby.serve(poll=60)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == 6, 15, "Ruby's failures")
    assert child.stop() == 0
    return stored(redis)


def crashed(ruby: Ruby) -> dict[str, int]:
    """The pages of Sidekiq's Web UI that do not answer, of all lists and all entries on them."""
    lists = [f"/{path}" for path in PATHS.values()] + ["/", "/queues", "/queues/default", "/busy"]
    answers = dict(zip(lists, ruby("web", requests=[["GET", page] for page in lists]), strict=True))
    found = (re.findall(rf'href="(/{path}/[^"]+)"', answers[f"/{path}"][1]) for path in PATHS.values())
    links = sorted({html.unescape(link) for some in found for link in some})
    answers |= dict(zip(links, ruby("web", requests=[["GET", page] for page in links]), strict=True))
    assert len(answers) > len(lists)
    return {page: status for page, (status, _) in answers.items() if status != 200}


def test_python_lists_what_ruby_wrote(ruby: Ruby, filled: Stored, inspected: api.Redis) -> None:
    shown = ruby("sets")
    for key, kind in KINDS.items():
        entries = sorted(kind(inspected), key=lambda entry: (entry.score, entry.job.raw), reverse=True)
        assert len(entries) == 6
        for entry, theirs in zip(entries, shown[key], strict=True):
            job = entry.job
            assert (job.jid, job.class_name, job.args, job.queue) == (
                *(theirs["jid"], theirs["class"], theirs["args"], theirs["queue"]),
            )
            assert (job.error_class, job.error_message, job.tags) == (
                theirs["error"],
                theirs["message"],
                theirs["tags"],
            )
            assert job.error_backtrace == (theirs["backtrace"] or [])
            assert entry.score == theirs["score"]
            assert job.payload == theirs["item"]
            assert kind(inspected).fetch(f"{theirs['score']}-{theirs['jid']}") == entry


@pytest.mark.parametrize("key", KINDS)
def test_ruby_reads_what_python_did(
    ruby: Ruby, filled: Stored, inspected: api.Redis, redis: redis_py.Redis, key: str
) -> None:
    entries, moment = list(KINDS[key](inspected)), time.time() + 1000.5
    expected: dict[str, dict[bytes, Any]] = {name: dict(pairs) for name, pairs in filled.items()}
    queued = []
    for action, entry in zip(ACTIONS[key], entries, strict=False):
        assert entry.reschedule(moment) if action == "reschedule" else getattr(entry, action)()
        del expected[key][entry.job.raw]
        if action == "reschedule":
            expected[key][entry.job.raw] = pytest.approx(moment, abs=0.001)
        elif action == "kill":
            expected["dead"][entry.job.raw] = pytest.approx(time.time(), abs=20)
        elif action in ("retry", "enqueue"):
            (raw, *_) = redis.lrange("queue:default", 0, 0)
            changed = {"enqueued_at": None, **({"retry_count": None} if action == "retry" else {})}
            assert splice(raw, changed) == splice(entry.job.raw, changed)
            queued.insert(0, entry.job.jid)
    assert stored(redis) == expected, "byte for byte"
    ((name, _, _, latency, jids),) = ruby("stats")["all"]
    assert (name, jids) == ("default", queued)
    assert 0 <= latency < 60
    assert crashed(ruby) == {}


def test_ruby_runs_what_python_retried(ruby: Ruby, filled: Stored, inspected: api.Redis, redis: redis_py.Redis) -> None:
    assert api.RetrySet(inspected).retry_all().done == 6
    assert api.ScheduledSet(inspected).enqueue_all().done == 6
    assert api.DeadSet(inspected).retry_all().done == 6
    ruby.serve(poll=60)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == len(ledger(redis)) == 6, 20, "Ruby to run all")
    again = {entry.job.jid: entry.job for entry in api.RetrySet(inspected)}
    for entry in filled["retry"]:
        before = fastkiq.Job.from_bytes(entry)
        job = again[before.jid]
        assert (job.retry_count, job.failed_at) == (0, before.failed_at)
        assert job.retried_at is not None
    assert crashed(ruby) == {}


def test_both_count_the_same(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str, inspected: api.Redis
) -> None:
    client = fastkiq.Client(redis_url)
    for number in range(5):
        client.push("Echo", number)
        client.push("Boom", number, queue="default")
        client.push("Echo", number, queue="low")
        client.push("Echo", number, in_=600)
    child = ruby.serve(poll=60)
    wait_until(lambda: redis.zcard("retry") == len(ledger(redis)) == 5, 15, "Ruby to run its own")
    assert child.stop() == 0
    worker = worker_process(APP, "-q", "low")
    wait_until(lambda: len(ledger(redis)) == 10, 15, "Python to run its own")
    assert worker.stop() == 0
    client.push("Echo", 1)
    api.Queue("low", inspected).pause()

    theirs, ours = ruby("stats"), api.Stats(inspected)
    summary = ours.summary()
    assert (summary.processed, summary.failed, summary.enqueued) == (
        *(theirs["processed"], theirs["failed"], theirs["enqueued"]),
    )
    assert (summary.scheduled, summary.retries, summary.dead) == (
        theirs["scheduled"],
        theirs["retries"],
        theirs["dead"],
    )
    assert (summary.processes, summary.busy) == (theirs["processes"], theirs["workers"]) == (0, 0)
    days = ours.history(2)
    assert {f"{day.date}": day.processed for day in days} == theirs["processed_by_day"]
    assert {f"{day.date}": day.failed for day in days} == theirs["failed_by_day"]
    assert ours.default_latency() == pytest.approx(theirs["latency"], abs=20)
    queues = {queue.name: (queue.size, queue.is_paused) for queue in api.queues(inspected)}
    assert queues == {name: (size, paused) for name, size, paused, _ in theirs["summaries"]}
    assert [job.jid for job in api.Queue("default", inspected)] == {queue[0]: queue[4] for queue in theirs["all"]}[
        "default"
    ]

    names = ["Echo", "Boom"]
    theirs, found = ruby("metrics", classes=names), api.MetricsQuery(inspected)
    counted = {
        series.class_name: {"p": series.processed, "f": series.failed, "ms": series.milliseconds}
        for series in found.top("1h").classes
    }
    assert counted == {
        name: {what: totals.get(what, 0) for what in ("p", "f", "ms")} for name, totals in theirs["top"].items()
    }
    for name in names:
        assert found.of(name).histogram == theirs["jobs"][name]["buckets"]
        assert found.of(name).series.average == pytest.approx(theirs["jobs"][name]["average"] / 1_000, abs=0.001)


def test_python_sees_and_steers_a_ruby_process(
    ruby: Ruby, redis: redis_py.Redis, redis_url: str, inspected: api.Redis
) -> None:
    child = ruby.serve("-c", "2", "-q", "default,2", "-q", "low,1", "-g", "mine", "-t", "1", poll=60, beat=1)
    jid = fastkiq.Client(redis_url).push("Slow", 1, queue="low")
    work = wait_until(lambda: api.WorkSet(inspected).find(jid or ""), 15, "a beat")
    theirs = ruby("processes")
    (shown,), (process,) = theirs["processes"], api.ProcessSet(inspected)
    same: dict[str, Any] = {
        "identity": process.identity,
        "tag": process.tag,
        "labels": process.labels,
        "queues": process.queues,
        "capsules": process.capsules,
        "version": process.version,
        "embedded": process.is_embedded,
        "hostname": process.hostname,
        "pid": process.pid,
        "started_at": process.started_at,
        "stopping": process.is_quiet,
    }
    assert {name: shown[name] for name in same} == same
    assert (process.concurrency, process.busy, process.is_fastkiq) == (2, 1, False)
    assert process.rss == int(shown["rss"]) * 1024
    assert process.beat is not None
    assert abs(process.beat - time.time()) < 20
    assert api.ProcessSet(inspected).totals()[:3] == (theirs["size"], theirs["busy"], theirs["concurrency"])
    (there,) = theirs["work"]
    assert (work.process, work.thread, work.queue, work.run_at, work.job.class_name, work.job.args, work.job.jid) == (
        *(there[name] for name in ("identity", "thread", "queue", "run_at", "class", "args", "jid")),
    )
    process.quiet()
    wait_until(lambda: [each.is_quiet for each in api.ProcessSet(inspected)] == [True], 15, "it to be quiet")
    process.stop()
    assert child.wait(20) == 0
    assert [job.jid for job in api.Queue("low", inspected)] == [jid]
