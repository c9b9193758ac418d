"""The sets: paging by cursor, walks beside others who change them, single entries, and what no set should hold."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_py

from api.kit import HOSTILE, JID, NOW, failed, fill, payload
from fastkiq import api
from fastkiq.errors import ArgumentError

pytestmark = pytest.mark.both_servers

SETS = (api.ScheduledSet, api.RetrySet, api.DeadSet)
KINDS = pytest.mark.parametrize("kind", SETS, ids=lambda kind: kind.key)


def pages(jobs: api.JobSet, limit: int, **options: Any) -> Iterator[list[api.Entry]]:
    cursor: str | None = None
    while True:
        page = jobs.page(cursor, limit, **options)
        yield list(page.items)
        if (cursor := page.next) is None:
            return


@KINDS
@pytest.mark.parametrize("order", ["next", "latest"])
def test_pages_have_all_once_in_order(
    kind: type[api.JobSet], order: str, inspected: api.Redis, redis: redis_py.Redis
) -> None:
    members = fill(redis, kind.key, {payload(number): NOW + number // 7 + 0.25 for number in range(200)})
    found = [entry for page in pages(kind(inspected), 11, order=order) for entry in page]
    expected = redis.zrange(kind.key, 0, -1, desc=order == "latest")
    assert [entry.job.raw for entry in found] == expected
    assert [entry.score for entry in found] == [members[raw] for raw in expected]
    own = [entry.job.raw for entry in kind(inspected)]
    assert own == redis.zrange(kind.key, 0, -1, desc=kind is api.DeadSet)


def test_a_page_says_how_many_there_are(inspected: api.Redis, redis: redis_py.Redis) -> None:
    jobs = api.RetrySet(inspected)
    assert (jobs.size, jobs.page().items, jobs.page().next) == (0, [], None)
    fill(redis, "retry", {payload(number): number for number in range(30)})
    page = jobs.page(limit=30)
    assert (page.total, page.looked, len(page.items), page.next) == (30, 30, 30, None)
    assert (jobs.size, jobs.page(limit=29).looked) == (30, 29)


def test_a_page_of_large_entries_ends_early(inspected: api.Redis, redis: redis_py.Redis) -> None:
    jobs = api.RetrySet(inspected)
    fill(redis, "retry", {payload(number, args=["x" * 900_000]): number for number in range(12)})
    page = jobs.page(limit=100)
    assert 4 <= len(page.items) < 10
    assert [len(found) for found in pages(jobs, 100)][:1] == [len(page.items)]
    assert [entry.score for found in pages(jobs, 100) for entry in found] == list(range(12))
    assert len(list(jobs.scan())) == len(list(jobs.scan(api.Filter(class_name="Hard")))) == 12


def test_from_a_place_one_can_go_both_ways(inspected: api.Redis, redis: redis_py.Redis) -> None:
    jobs = api.DeadSet(inspected)
    fill(redis, "dead", {payload(number): number // 50 for number in range(200)})
    first = jobs.page(limit=30)
    second = jobs.page(first.next, 30)
    back = jobs.page(second.next, 60, order="next")
    assert [entry.id for entry in back.items][::-1] == [entry.id for entry in [*first.items, *second.items]]
    assert back.next is None


@contextmanager
def stirring(redis: redis_py.Redis, key: str, own: list[bytes], score: float) -> Iterator[None]:
    """Somebody takes out what is `own`, and puts in others with the same score, as fast as can be."""
    stopped = threading.Event()

    def stir() -> None:
        number = 1_000_000
        while not stopped.is_set():
            for raw in random.sample(own, min(20, len(own))):
                redis.zrem(key, raw)
                own.remove(raw)
            redis.zadd(key, {payload(number + each): score for each in range(20)})
            number += 20

    thread = threading.Thread(target=stir)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10)


@pytest.mark.parametrize("order", ["next", "latest"])
@pytest.mark.parametrize("filtered", [False, True])
def test_ties_that_others_change_neither_hide_nor_double(
    order: str, filtered: bool, inspected: api.Redis, redis: redis_py.Redis
) -> None:
    """10,000 entries of one score: each second one stays; of the others some go, and new ones come."""
    members = list(fill(redis, "retry", {payload(number): NOW for number in range(10_000)}))
    staying, going = set(members[::2]), members[1::2]
    wanted = api.Filter(class_name="Har", argument="1") if filtered else None
    with stirring(redis, "retry", going, NOW):
        found = [
            entry.job.raw for page in pages(api.RetrySet(inspected), 199, wanted=wanted, order=order) for entry in page
        ]
    assert len(found) == len(set(found))
    missed = staying - set(found)
    assert {raw for raw in missed if wanted is None or b"1" in raw[raw.index(b"[") : raw.index(b"]")]} == set()
    assert len(going) < 5_000, "somebody did change it"


def test_a_walk_beside_others_has_all_that_stay(inspected: api.Redis, redis: redis_py.Redis) -> None:
    members = list(fill(redis, "retry", {payload(number): NOW for number in range(6_000)}))
    with stirring(redis, "retry", members[1::2], NOW):
        found = [entry.job.raw for entry in api.RetrySet(inspected)]
    assert len(found) == len(set(found))
    assert set(members[::2]) <= set(found)


def test_a_place_among_entries_that_begin_alike(inspected: api.Redis, redis: redis_py.Redis) -> None:
    """What parts them is longer than a cursor may be: it counts, while nobody changes them."""
    noise = random.Random(1).randbytes(5_000).hex()
    fill(redis, "retry", {b'{"args":["' + noise.encode() + b'"],"jid":"%d"}' % number: 5 for number in range(40)})
    jobs = api.RetrySet(inspected)
    page = jobs.page(limit=7)
    assert page.next == "5_n7"
    assert [len(some) for some in pages(jobs, 7)] == [7, 7, 7, 7, 7, 5]
    assert len({entry.job.jid for some in pages(jobs, 7, order="latest") for entry in some}) == 40
    assert len({entry.job.jid for entry in jobs}) == 40


def test_an_order_that_is_none(inspected: api.Redis) -> None:
    with pytest.raises(ArgumentError, match="next, latest"):
        api.RetrySet(inspected).page(order="backwards")


@KINDS
def test_what_no_set_should_hold_is_listed_and_found(
    kind: type[api.JobSet], inspected: api.Redis, redis: redis_py.Redis
) -> None:
    jobs = kind(inspected)
    fill(redis, kind.key, HOSTILE)
    found = {entry.job.raw: entry for page in pages(jobs, 3) for entry in page}
    assert {raw: entry.score for raw, entry in found.items()} == HOSTILE
    for raw, entry in found.items():
        again = jobs.fetch(entry.id)
        assert again is not None
        assert again.job.raw == raw
        assert entry.at is None or entry.at.tzinfo is UTC
    for wanted in (api.Filter(class_name="o"), api.Filter(text="x"), api.Filter(error="x"), api.Filter(argument="1")):
        assert {entry.job.raw for entry in jobs.scan(wanted)} == {
            raw for raw, entry in found.items() if wanted.matches(entry.job)
        }
    assert jobs.clear() == len(HOSTILE)


def test_entries_too_long_to_be_read(inspected: api.Redis, redis: redis_py.Redis) -> None:
    long = payload(1, args=["x" * 10_000_000])
    fill(redis, "retry", {long: 5.0, payload(2): 5.0, payload(3): 6.0})
    jobs = api.RetrySet(inspected)
    page = jobs.page()
    (entry,) = [entry for entry in page.items if not entry.is_whole]
    assert (entry.length, entry.score, entry.job.raw, len(page.items)) == (len(long), 5.0, b"", 3)
    again = jobs.fetch(entry.id)
    assert again is not None
    assert (again.length, again.is_whole) == (len(long), False)
    filtered = jobs.page(wanted=api.Filter(class_name="Hard"), seconds=20)
    assert len(filtered.items) == 2
    assert "1 entries are longer" in filtered.notes[0]
    with pytest.raises(ArgumentError, match="bytes"):
        entry.reschedule(time.time())
    assert entry.retry()
    assert not entry.retry()
    (queued,) = redis.lrange("queue:default", 0, -1)
    assert queued.startswith(long[:-1])


@KINDS
def test_a_key_of_another_type(kind: type[api.JobSet], inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.set(kind.key, "x")
    jobs = kind(inspected)
    page = jobs.page()
    assert (page.total, page.items, page.next) == (0, [], None)
    assert "something else" in page.notes[0]
    assert (jobs.size, list(jobs), jobs.find("x"), jobs.find("x", 5)) == (0, [], None, None)
    assert jobs.sweep("delete").outcome.done == 0
    assert jobs.clear() == 0
    assert not redis.exists(kind.key)


def test_one_is_found_by_jid_and_score(inspected: api.Redis, redis: redis_py.Redis) -> None:
    jobs = api.RetrySet(inspected)
    fill(redis, "retry", {failed(number): NOW + 0.125 if number < 3_000 else NOW + number for number in range(4_000)})
    for number in (0, 1_500, 2_999, 3_999):
        jid = JID.format(number)
        entry = jobs.find(jid)
        assert entry is not None
        assert (entry.job.jid, entry.set) == (jid, jobs)
        assert jobs.find(jid, entry.score) == jobs.fetch(entry.id) == entry
        assert jobs.find(jid, NOW + 5_000) is None
    assert (jobs.find(""), jobs.find("nobody"), jobs.fetch(f"{NOW}-nobody")) == (None, None, None)
    assert jobs.fetch("5-~1234") is None


@pytest.mark.parametrize("id", ["", "x", "5", "nan-x", "-x", "1_0-x", "0x5-x", "5e-x", "١-x"])
def test_what_is_no_id_is_refused(id: str, inspected: api.Redis) -> None:
    with pytest.raises(ArgumentError, match="score-jid"):
        api.RetrySet(inspected).fetch(id)


def test_another_time(inspected: api.Redis, redis: redis_py.Redis) -> None:
    jobs = api.ScheduledSet(inspected)
    fill(redis, "schedule", {payload(1): 5.0})
    (entry,) = jobs
    assert entry.reschedule(datetime(2030, 1, 1, tzinfo=UTC))
    assert redis.zrange("schedule", 0, -1, withscores=True) == [(payload(1), 1_893_456_000.0)]
    assert jobs.reschedule(entry, 7.25)
    assert redis.zscore("schedule", payload(1)) == 7.25
    with pytest.raises(ArgumentError, match="milliseconds"):
        entry.reschedule(1e13)
    with pytest.raises(ArgumentError, match="time zone"):
        entry.reschedule(datetime(2030, 1, 1))  # noqa: DTZ001
    redis.delete("schedule")
    assert not entry.reschedule(5)
    assert not redis.exists("schedule")


def test_a_script_reads_no_more_than_some_megabytes(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {payload(number, args=["x" * 500_000]): number for number in range(40)})
    redis.lpush("queue:long", *redis.zrange("retry", 0, -1))
    redis.config_resetstat()
    for page in (
        api.RetrySet(inspected).page(wanted=api.Filter(class_name="Nobody"), look=20_000, seconds=0),
        api.Queue("long", inspected).page(wanted=api.Filter(class_name="Nobody"), look=20_000, seconds=0),
    ):
        assert page.items == []
        assert 5 < page.looked < 12
        assert page.next is not None
