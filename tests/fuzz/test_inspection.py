"""The inspection API over a Redis that holds anything: listings never fail, and what is moved is as it should be."""

import contextlib
import json
from typing import Any

import redis as redis_py
from hypothesis import strategies as st

from fastkiq import api
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fuzz.kit import fuzz, stored, texts, values
from readable import flaw

FILTERS = st.builds(
    api.Filter,
    **{
        name: st.just("") | texts
        for name in ("class_name", "queue", "error", "argument", "tag", "jid", "text", "group")
    },
)


@fuzz("inspected_sets", st.lists(stored, max_size=6), FILTERS, st.sampled_from([api.RetrySet, api.DeadSet]), share=0.25)
def test_sets(
    redis: redis_py.Redis, redis_url: str, members: list[bytes], wanted: api.Filter, kind: type[api.JobSet]
) -> None:
    redis.flushdb()
    jobs = kind(api.connect(url=redis_url))
    redis.zadd(kind.key, {b"one": 0, **{raw: index // 2 for index, raw in enumerate(members)}})
    entries = list(jobs)
    assert len(entries) == redis.zcard(kind.key)
    found = jobs.page(wanted=wanted, limit=10, seconds=5)
    assert [entry.job.raw for entry in found.items] == [
        entry.job.raw for entry in entries if not wanted or wanted.matches(entry.job)
    ]
    for entry in entries:
        again = jobs.fetch(entry.id)
        assert again is not None
        assert again.id == entry.id
    grouping = api.Grouping(jobs)
    grouping.advance(5)
    assert sum(group.count for group in grouping.groups) == len(entries)
    outcome = jobs.sweep("retry", before=1e12).outcome
    assert outcome.done + outcome.refused == len(entries)
    for queue in api.Queue.all(jobs.redis):
        for job in queue:
            assert job.jid
            assert job.class_name
            assert flaw(queue.key, job.raw) is None
    assert jobs.sweep("kill", before=1e12).outcome.refused == 0
    assert all(flaw("dead", raw) is None for raw in redis.zrange("dead", 0, -1))


@fuzz("inspected_processes", st.binary(max_size=30) | values.map(repr), values, values, share=0.25)
def test_processes(redis: redis_py.Redis, redis_url: str, text: bytes | str, info: Any, work: Any) -> None:
    redis.flushdb()
    inspected = api.connect(url=redis_url)
    name = text.encode("utf-8", "replace") if isinstance(text, str) else text
    redis.sadd("processes", "p", name)
    redis.hset("p", mapping={"info": written({"version": info, **(info if isinstance(info, dict) else {})}), "busy": 9})
    redis.hset("p", mapping=dict.fromkeys(("concurrency", "rss", "beat", "rtt_us"), name))
    redis.hset("p:work", mapping={"t": written(work), name: name, "u": written({"payload": text, "run_at": work})})
    for process in api.ProcessSet(inspected):
        assert isinstance(process.hostname, str)
        assert all(isinstance(queue, str) for queue in process.queues)
    assert all(isinstance(each.job, Job) for each in api.WorkSet(inspected))
    assert api.Stats(inspected).summary().processes <= 2
    assert api.search(name.decode("utf-8", "replace") or "x", inspected, seconds=5).cursor is None


@fuzz("cursors", texts, share=2)
def test_cursors(redis: redis_py.Redis, redis_url: str, text: str) -> None:
    inspected = api.connect(url=redis_url)
    for ask in (
        lambda: api.RetrySet(inspected).page(text),
        lambda: api.RetrySet(inspected).fetch(text),
        lambda: api.Queue("q", inspected).page(text),
        lambda: api.ProcessSet(inspected).page(text),
        lambda: api.search("x", inspected, text),
    ):
        with contextlib.suppress(ArgumentError):
            ask()


def written(value: Any) -> bytes:
    return json.dumps(value, default=repr).encode("utf-8", "replace")
