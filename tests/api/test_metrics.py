"""Runs by class: the buckets of Sidekiq 8 and 7, added up; what is no bucket."""

import struct
from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_py

from fastkiq import api
from fastkiq.api import metrics
from fastkiq.config import Config
from fastkiq.errors import ArgumentError

NOW = datetime(2026, 3, 1, 0, 7, 30, tzinfo=UTC)


def put(redis: redis_py.Redis, at: datetime, **counts: int) -> None:
    """`Class_p=5`, in both kinds of buckets."""
    for name, count in counts.items():
        field = name.replace("_", "|")
        redis.hincrby(f"j|{at:%y%m%d}|{at.hour}:{at:%M}", field, count)
        redis.hincrby(f"j|{at:%y%m%d}|{at.hour}:{at.minute // 10}", field, count)


@pytest.mark.both_servers
@pytest.mark.parametrize(("period", "seen"), [("1h", 2), ("2h", 3), ("4h", 4), ("8h", 4), ("24h", 5), ("72h", 6)])
def test_periods(period: str, seen: int, inspected: api.Redis, redis: redis_py.Redis) -> None:
    for minutes in (0, 59, 90, 200, 1_000, 4_300, 5_000):
        put(redis, NOW - timedelta(minutes=minutes), A_p=2, A_f=1, A_ms=100, B_p=1, B_ms=900)
    found = api.MetricsQuery(inspected).top(period, now=NOW)
    b, a = found.classes
    assert (a.class_name, a.processed, a.failed, a.milliseconds) == ("A", 2 * seen, seen, 100 * seen)
    assert (b.class_name, b.processed, b.succeeded, b.average) == ("B", seen, seen, 0.9)
    assert (a.succeeded, a.average) == (seen, 0.1)
    fine = period in ("1h", "2h")
    assert found.step == timedelta(minutes=1 if fine else 10)
    assert len(a.by_time) == seen
    assert all(found.start <= at < found.end for at in a.by_time)
    last = datetime(2026, 3, 1, 0, 7 if fine else 0, tzinfo=UTC)
    assert a.by_time[last] == (2, 1, 100)
    assert metrics.total(found.classes).processed == 3 * seen
    assert found.notes == []
    assert [series.class_name for series in api.MetricsQuery(inspected).top(period, "B", NOW).classes] == ["B"]


@pytest.mark.both_servers
def test_what_is_over_is_remembered_as_long_as_it_is_there(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for minutes in range(0, 240, 10):
        put(redis, NOW - timedelta(minutes=minutes), A_p=1, B_p=1, B_ms=5)
    memory: dict[str, str] = {}
    query = api.MetricsQuery(inspected, memory=memory)
    first = query.top("4h", now=NOW)
    assert first.classes == api.MetricsQuery(inspected).top("4h", now=NOW).classes == query.top("4h", now=NOW).classes
    assert len(memory) == 21, "of 24; the last 20 minutes may still be written"
    put(redis, NOW - timedelta(minutes=15), A_p=5)
    put(redis, NOW - timedelta(minutes=100), C_p=1)
    found = {series.class_name: series.processed for series in query.top("4h", now=NOW).classes}
    assert found == {"A": 29, "B": 24, "C": 1}
    assert [each.class_name for each in query.top("4h", "C", NOW).classes] == ["C"], "whatever is wanted"
    redis.flushall()
    assert query.top("4h", now=NOW).classes == []


def test_the_memory_is_bounded(inspected: api.Redis, redis: redis_py.Redis) -> None:
    memory: dict[str, str] = {}
    query = api.MetricsQuery(inspected, memory=memory)
    at = NOW - timedelta(minutes=60)
    redis.hset(f"j|{at:%y%m%d}|{at.hour}:{at:%M}", mapping={f"{'x' * 500}{number}|p": 1 for number in range(100)})
    redis.hset(f"j|{at:%y%m%d}|{at.hour}:{at.minute // 10}", mapping={f"C{number}|p": 1 for number in range(3_001)})
    for days in range(0, 15, 3):
        assert query.top("72h", now=NOW - timedelta(days=days)) is not None
    assert len(memory) == 1_000
    assert len(query.top("2h", now=NOW).classes) == 100
    assert max(map(len, memory.values())) < 32_768, "that minute is told anew each time"
    (note,) = query.top("4h", now=NOW).notes
    assert "too many classes" in note


@pytest.mark.both_servers
def test_one_class(inspected: api.Redis, redis: redis_py.Redis) -> None:
    name = "app.jobs.Hard|odd"
    for minutes in (0, 3, 470, 490):
        at = NOW - timedelta(minutes=minutes)
        redis.hset(f"j|{at:%y%m%d}|{at.hour}:{at:%M}", mapping={f"{name}|p": 3, f"{name}|f": 1, f"{name}|ms": 40})
        redis.set(f"h|{name}-{at.day}-{at.hour}:{at.minute}", struct.pack(">3H", 1, 0, 258))
    redis.set(f"h|{name}-{NOW.day}-{NOW.hour}:{NOW.minute}", struct.pack(">30H", *range(30)))
    found = api.MetricsQuery(inspected).of(name, "8h", NOW)
    assert (found.series.processed, found.series.failed, found.series.milliseconds) == (9, 3, 120)
    assert len(found.histograms) == 3
    assert found.histogram[:4] == [0 + 1 + 1, 1, 2 + 258 + 258, 3]
    assert len(found.histogram) == 26 == len(metrics.BOUNDS) + 1
    assert found.end - found.start == timedelta(hours=8)
    nobody = api.MetricsQuery(inspected).of("Nobody", "8h", NOW)
    assert (nobody.series.processed, nobody.histograms, nobody.histogram) == (0, {}, [0] * 26)


@pytest.mark.both_servers
def test_as_sidekiq_7_keeps_them(inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.hset("j|20260301|0:7", mapping={"A|p": 3, "A|ms": 40})
    redis.set("A-01-00:7", struct.pack(">2H", 5, 6))
    query = api.MetricsQuery(inspected, config=Config(compat="sidekiq7"))
    (series,) = query.top("8h", now=NOW).classes
    assert series.processed == 3
    found = query.of("A", "1h", NOW)
    assert (found.series.milliseconds, found.histogram[:2]) == (40, [5, 6])
    assert api.MetricsQuery(inspected).top("1h", now=NOW).classes == []


@pytest.mark.both_servers
def test_what_is_no_bucket(inspected: api.Redis, redis: redis_py.Redis) -> None:
    keys = [f"j|260301|0:0{minute}" for minute in range(8)]
    redis.set(keys[0], "x")
    redis.hset(keys[1], mapping={"A|p": "many", "A|x": 5, "|p": 5, "A": 5, b"\xff|p": 2, "A|f": "9" * 40, "A|ms": -3})
    redis.hset(keys[2], mapping={"A\nB|p": 5})
    redis.hset(keys[3], mapping={f"C{number}|p": 1 for number in range(3_001)})
    redis.hset(keys[4], mapping={"x" * 2_000 + "|p": 1, "A|p": 4})
    redis.lpush("h|A-1-0:4", "x")
    found = api.MetricsQuery(inspected).top("1h", now=NOW)
    assert {series.class_name: series.processed for series in found.classes} == {"A": 4, "\ufffd": 2}
    assert [note[:5] for note in found.notes] == ["00:02", "00:03"]
    assert api.MetricsQuery(inspected).of("A", "1h", NOW).series.processed == 4


@pytest.mark.both_servers
def test_marks(inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.hset("20260301-marks", mapping={"2026-03-01T00:05:00Z": "v2", "x": "y", "2026-99-01T00:05:00Z": "z"})
    redis.hset("20260228-marks", mapping={"2026-02-28T23:50:00Z": "v1\x1b[1m", "2026-02-28T01:00:00Z": "v0"})
    marks = api.MetricsQuery(inspected).top("1h", now=NOW).marks
    assert [f"{at:%d %H:%M}" for at in marks] == ["28 23:50", "01 00:05"]
    assert "\x1b" not in "".join(marks.values())
    assert next(iter(api.MetricsQuery(inspected).top("72h", now=NOW).marks.values())) == "v0"
    redis.delete("20260301-marks")
    redis.set("20260301-marks", "x")
    assert len(api.MetricsQuery(inspected).top("1h", now=NOW).marks) == 1


def test_periods_that_are_none(redis_url: str) -> None:
    query = api.MetricsQuery(api.connect(url=redis_url))
    with pytest.raises(ArgumentError, match="72h"):
        query.top("3h")
    with pytest.raises(ArgumentError, match="1h, 2h, 4h, 8h"):
        query.of("A", "24h")


def test_labels() -> None:
    labels = [metrics.label(bucket) for bucket in range(27)]
    assert (labels[0], labels[9], labels[10], labels[24], labels[25], labels[26]) == (
        *("20 ms", "1.1 s" if metrics.BOUNDS[9] == 1_100 else "750 ms", "1.1 s", "335 s", "≥ 335 s", "≥ 335 s"),
    )
