"""Recurring jobs by hand: made, changed, paused, run and removed; whatever Redis holds instead of them."""

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from fastkiq import ArgumentError, api
from fastkiq.api import RecurringSet
from fastkiq.cron.definition import Definition


class Report(fastkiq.Worker, queue="reports", retry=3, name="recurring.Report"):
    def perform(self, region: str, pages: int = 1) -> None: ...


@pytest.fixture
def recurring(inspected: api.Redis) -> RecurringSet:
    return RecurringSet(inspected)


def declared(redis: redis_py.Redis, name: str, **fields: Any) -> bytes:
    """As a process that declares it leaves it behind."""
    given: dict[str, Any] = {"class_name": "app.Nightly", "cron": "0 3 * * *", "source": "code", **fields}
    raw = Definition(name=name, **given).to_json()
    redis.hset("fastkiq:cron", name, raw)
    redis.zadd("fastkiq:cron:next", {name: 1_790_000_000})
    return raw


def test_one_is_made_of_a_class_by_its_own_options(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    entry = recurring.add("eu", Report, "eu", cron="*/5 * * * *", timezone="Europe/Berlin", description="for Ann")
    assert entry.definition is not None
    assert (entry.definition.class_name, entry.definition.queue, entry.definition.args) == (
        "recurring.Report",
        "reports",
        ["eu"],
    )
    assert entry.definition.options == {"retry": 3}
    assert (entry.definition.source, entry.can_change, entry.is_paused, entry.is_orphaned) == (
        "api",
        True,
        False,
        False,
    )
    assert "5 minutes" in entry.says
    assert entry.next is not None
    assert timedelta(0) < entry.next - datetime.now(UTC) <= timedelta(minutes=5)
    assert entry.next.minute % 5 == entry.next.second == 0
    assert redis.zscore("fastkiq:cron:next", "eu") == entry.next.timestamp()
    assert [each.name for each in recurring] == ["eu"]
    upcoming = recurring.upcoming("eu", 3)
    assert [b - a for a, b in pairwise(upcoming)] == [timedelta(minutes=5)] * 2


def test_one_of_a_class_that_is_not_known_here(recurring: RecurringSet) -> None:
    entry = recurring.add("ruby", "Ruby::Job", 1, {"a": 2}, every=90, queue="low", retry=False, missed="all")
    assert entry.definition is not None
    assert (entry.definition.class_name, entry.definition.args) == ("Ruby::Job", [1, {"a": 2}])
    assert entry.definition.options == {"retry": False}
    assert (entry.definition.queue, entry.definition.missed, entry.definition.every) == ("low", "all", 90)
    upcoming = recurring.upcoming("ruby", 3)
    assert upcoming[2] - upcoming[0] == timedelta(seconds=180)
    assert upcoming[0].microsecond == 0


def test_once_at_a_time(recurring: RecurringSet) -> None:
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    entry = recurring.add("once", Report, "eu", at=when)
    assert entry.next == when
    assert recurring.upcoming("once") == [when]


def test_a_change_of_what_it_does_keeps_its_ticks(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    recurring.add("poll", Report, "eu", every=timedelta(hours=1))
    redis.zadd("fastkiq:cron:next", {"poll": 2_000_000_000})
    changed = recurring.add("poll", Report, "us", every=3600, description="other")
    assert changed.definition is not None
    assert changed.definition.args == ["us"]
    assert changed.next == datetime.fromtimestamp(2_000_000_000, UTC)
    moved = recurring.add("poll", Report, "us", every=1800)
    assert moved.next is not None
    assert abs(moved.next.timestamp() - time.time() - 1800) < 10


def test_the_first_one_comes_sooner_or_later(recurring: RecurringSet) -> None:
    for first_in in (5, timedelta(days=3), 0):
        entry = recurring.add("poll", Report, "eu", every=3600, first_in=first_in)
        seconds = first_in.total_seconds() if isinstance(first_in, timedelta) else first_in
        assert entry.definition is not None
        assert entry.definition.first_in == seconds
        assert entry.next is not None
        assert entry.next.microsecond == 0
        assert -10 < entry.next.timestamp() - time.time() - seconds <= 1
        assert recurring.upcoming("poll", 2)[1] - entry.next == timedelta(hours=1)


def test_an_interval(recurring: RecurringSet) -> None:
    entry = recurring.add("sync", Report, "eu", interval=timedelta(minutes=5))
    assert entry.definition is not None
    assert (entry.definition.interval, entry.definition.every) == (300, None)
    assert entry.says == "5 minutes after the one before was enqueued"
    assert entry.next is not None
    assert 290 < entry.next.timestamp() - time.time() <= 301


def test_what_is_said_about_time_decides_whether_it_begins_anew(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    """As `spec` of `definition.rs` has it for what code declares."""
    base: dict[str, Any] = {"every": 3600, "first_in": 60}
    far = 2_000_000_000
    for change, moves in [
        ({}, False),
        ({"description": "other", "missed": "all", "queue": "low"}, False),
        ({"first_in": 61}, True),
        ({"first_in": None}, True),
        ({"every": 3601}, True),
        ({"timezone": "Europe/Berlin"}, True),
        ({"every": None, "first_in": None, "interval": 3600}, True),
    ]:
        recurring.add("poll", Report, "eu", **base)
        redis.zadd("fastkiq:cron:next", {"poll": far})
        entry = recurring.add("poll", Report, "eu", **{**base, **change})
        assert entry.next is not None
        assert (entry.next.timestamp() != far) == moves, change
        recurring.remove("poll")


def test_one_that_is_not_enabled_is_there_and_does_not_come(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    entry = recurring.add("poll", Report, "eu", every=60, enabled=False)
    assert entry.definition is not None
    assert (entry.definition.enabled, entry.next, entry.is_paused) == (False, None, False)
    assert recurring.upcoming("poll") == []
    assert recurring.add("poll", Report, "us", every=60, enabled=False).next is None
    assert recurring.add("poll", Report, "us", every=60).next is not None
    assert recurring.add("poll", Report, "us", every=60, enabled=False).next is None
    assert redis.zcard("fastkiq:cron:next") == 0
    assert recurring.run_now("poll"), "by hand it runs all the same"
    past = recurring.add("once", Report, "eu", at=1_000_000_000, enabled=False)
    assert past.next is None
    with pytest.raises(ArgumentError, match="in the past"):
        recurring.add("once", Report, "eu", at=1_000_000_000)


def test_what_makes_no_sense_is_refused_by_name(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    for given, says in [
        ({}, "exactly one of them"),
        ({"cron": "* * * * *", "every": 5}, "exactly one of them"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "never comes"),
        ({"every": 0}, "every must be"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "time zone"),
        ({"every": 5, "missed": "never"}, "missed must be"),
        ({"every": 5, "interval": 5}, "exactly one of them"),
        ({"interval": 0.5}, "interval must be"),
        ({"interval": 5, "first_in": 5}, "first_in belongs to every"),
        ({"every": 5, "first_in": -1}, "first_in must be"),
        ({"every": 5, "first_in": "5m"}, "first_in must be"),
        ({"every": 5, "enabled": 1}, "enabled must be true or false"),
        ({"at": 1_000_000_000}, "in the past"),
        ({"every": 5, "queue": "no queue"}, "queue"),
        ({"every": 5, "retires": 3}, "did you mean 'retry'|unknown option"),
        ({"every": 5, "description": "x" * 2_000}, "description"),
        ({"every": 5, "result_ttl": 60}, "result_ttl=0"),
    ]:
        with pytest.raises(ArgumentError, match=says):
            recurring.add("bad", Report, "eu", **given)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="missing a required argument"):
        recurring.add("bad", Report, every=5)
    with pytest.raises(ArgumentError, match="name"):
        recurring.add("", Report, "eu", every=5)
    with pytest.raises(ArgumentError, match="args"):
        recurring.add("bad", "A", "x" * 100_000, every=5)
    assert redis.keys() == []


def test_what_code_declares_is_not_changed_here(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    raw = declared(redis, "nightly")
    with pytest.raises(ArgumentError, match="declared by a worker class"):
        recurring.add("nightly", Report, "eu", every=5)
    with pytest.raises(ArgumentError, match="declared by a worker class"):
        recurring.remove("nightly")
    assert recurring.pause("nightly")
    assert not recurring.pause("nightly")
    entry = recurring.get("nightly")
    assert entry is not None
    assert entry.is_paused
    assert recurring.resume("nightly")
    assert not recurring.resume("nightly")
    assert redis.hget("fastkiq:cron", "nightly") == raw
    assert [each.is_orphaned for each in recurring] == [True], "no process lives"
    redis.hset("fastkiq:cron:held:nightly", "host:1:ab", "digest")
    assert [each.is_orphaned for each in recurring] == [True]
    redis.zadd("fastkiq:alive", {"host:1:ab": 1})
    assert [each.is_orphaned for each in recurring] == [False]
    redis.hset("fastkiq:cron:orphans", "nightly", "1790000000 1790000000")
    assert [each.is_orphaned for each in recurring] == [True]


def test_what_no_process_declares_any_more_is_shown_so(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    declared(redis, "nightly")
    redis.hset("fastkiq:cron:orphans", "nightly", "1790000000 1790000500")
    [entry] = recurring
    assert entry.is_orphaned


def test_one_that_is_paused_has_no_ticks_to_come(recurring: RecurringSet) -> None:
    recurring.add("eu", Report, "eu", every=60)
    assert len(recurring.upcoming("eu", 3)) == 3
    recurring.pause("eu")
    assert recurring.upcoming("eu", 3) == []


def test_a_run_by_hand_has_the_times_of_the_setting(inspected: api.Redis, redis: redis_py.Redis) -> None:
    recurring = RecurringSet(inspected, config=fastkiq.Config(compat="sidekiq7"))
    recurring.add("eu", Report, "eu", every=3600)
    recurring.run_now("eu")
    job = json.loads(redis.lrange("queue:reports", 0, -1)[0])
    assert (type(job["created_at"]), type(job["enqueued_at"])) == (float, float)
    assert type(job["cron"]["tick"]) is int


def test_a_run_by_hand(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    recurring.add("eu", Report, "eu", every=3600, tags=["night"])
    before = redis.zscore("fastkiq:cron:next", "eu")
    jid = recurring.run_now("eu")
    [stored] = redis.lrange("queue:reports", 0, -1)
    job = json.loads(stored)
    assert (job["jid"], job["class"], job["args"], job["retry"], job["tags"]) == (
        jid,
        "recurring.Report",
        ["eu"],
        3,
        ["night"],
    )
    assert job["cron"]["name"] == "eu"
    assert abs(job["cron"]["tick"] / 1000 - time.time()) < 10
    assert abs(job["enqueued_at"] / 1000 - time.time()) < 10
    assert redis.smembers("queues") == {b"reports"}
    [run] = recurring.history("eu")
    assert (run.jid, run.how) == (jid, "manual")
    assert redis.zscore("fastkiq:cron:next", "eu") == before, "its ticks go on as they were"
    for _ in range(120):
        recurring.run_now("eu")
    assert len(recurring.history("eu")) == 100


def test_removed_it_leaves_nothing_behind(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    recurring.add("eu", Report, "eu", every=3600)
    recurring.pause("eu")
    recurring.run_now("eu")
    for key in ("held", "seen"):
        redis.hset(f"fastkiq:cron:{key}:eu", "somebody", "1")
    redis.hset("fastkiq:cron:orphans", "eu", "1 2")
    recurring.remove("eu")
    assert sorted(redis.keys()) == [b"queue:reports", b"queues"]
    for act in (recurring.remove, recurring.pause, recurring.resume, recurring.run_now, recurring.upcoming):
        with pytest.raises(ArgumentError, match="no recurring job 'eu'"):
            act("eu")


def test_two_who_change_it_at_once(
    recurring: RecurringSet, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    recurring.add("eu", Report, "eu", every=3600)
    stale = recurring.get("eu")
    recurring.add("eu", Report, "us", every=3600)
    monkeypatch.setattr(recurring, "get", lambda name: stale)
    for act in (recurring.remove, recurring.run_now):
        with pytest.raises(ArgumentError, match="by somebody else just now"):
            act("eu")
    with pytest.raises(ArgumentError, match="by somebody else just now"):
        recurring.add("eu", Report, "jp", every=3600)
    assert json.loads(redis.hget("fastkiq:cron", "eu") or b"")["args"] == ["us"]
    assert redis.llen("queue:reports") == 0


HOSTILE: dict[str, bytes] = {
    "garbage": b"not JSON",
    "empty": b"{}",
    "list": b"[]",
    "binary": b"\xff\xfe\x00",
    "deep": b"[" * 5_000 + b"]" * 5_000,
    "long": b'{"name":"long","description":"' + b"x" * 10_000_000 + b'"}',
    "wrong": b'{"name":5,"class":[],"cron":{},"args":{},"queue":null,"options":7}',
    "script": b'{"name":"<script>","class":"<script>alert(1)</script>","every":5}',
    "surrogate": b'{"name":"x","class":"A","every":5,"options":{"retry":true},"description":"\\ud800"}',
}


def test_what_no_one_should_have_written_is_shown_and_can_be_removed(
    recurring: RecurringSet, redis: redis_py.Redis
) -> None:
    for name, raw in HOSTILE.items():
        redis.hset("fastkiq:cron", name, raw)
    redis.zadd("fastkiq:cron:next", {"garbage": "inf", "empty": -1, "list": 1e300, "binary": 5})
    redis.lpush(
        "fastkiq:cron:history:garbage", b"x", b'{"tick":1e400}', b'{"tick":1,"at":2,"jid":7,"how":"tick"}', b"[]"
    )
    redis.set("fastkiq:cron:history:empty", "no list")
    found = {each.name: each for each in recurring}
    assert set(found) == set(HOSTILE)
    for entry in found.values():
        if entry.definition is None:
            assert entry.flaw
            assert entry.can_change
    assert [run.how for run in recurring.history("garbage")] == ["tick"]
    with pytest.raises(ArgumentError, match="cannot be read"):
        recurring.run_now("garbage")
    for name in ("garbage", "empty", "binary", "wrong", "long"):
        recurring.remove(name)
    assert not {"garbage", "empty", "binary", "wrong", "long"} & {each.name for each in recurring}


def test_names_beyond_counting_are_not_read(recurring: RecurringSet, redis: redis_py.Redis) -> None:
    with redis.pipeline() as pipeline:
        for number in range(10_001):
            pipeline.hset("fastkiq:cron", f"n{number}", b"{}")
        pipeline.execute()
    notes: list[str] = []
    assert recurring.names(notes) == []
    assert "10,001" in notes[0]


def test_a_definition_that_lies_under_another_name_is_shown_as_none(
    recurring: RecurringSet, redis: redis_py.Redis
) -> None:
    raw = declared(redis, "one", source="api")
    redis.hset("fastkiq:cron", "two", raw)
    two = recurring.get("two")
    assert two is not None
    assert two.definition is None
    assert two.flaw == "it cannot be read: it is the definition of 'one'"
    with pytest.raises(ArgumentError, match="is the definition of 'one'"):
        recurring.run_now("two")
    recurring.remove("two")


def test_a_run_by_hand_is_one_job_whatever_the_list_of_queues_is(
    recurring: RecurringSet, redis: redis_py.Redis
) -> None:
    recurring.add("eu", Report, "eu", every=60)
    redis.set("queues", "x")
    assert recurring.run_now("eu")
    assert redis.llen("queue:reports") == 1
