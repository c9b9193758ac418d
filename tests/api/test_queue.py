"""Queues: their state, listing, walks while jobs come and go, finding, deleting, pausing."""

import json
import threading
import time

import pytest
import redis as redis_py

from api.kit import HOSTILE, JID, payload
from fastkiq import api
from fastkiq.errors import ArgumentError, RedisReplyError

pytestmark = pytest.mark.both_servers

STRANGE = ["with space", "é\u2028", "a/b?c#d", "[red]\x1b[1m", "-", "*", "queue:queue", "x" * 500]


def push(redis: redis_py.Redis, name: str, *jobs: bytes) -> None:
    redis.sadd("queues", name)
    redis.lpush(f"queue:{name}", *jobs)


def jids(jobs: "list[api.Queue] | object") -> list[str]:
    return [job.jid for job in jobs]  # type: ignore[attr-defined]


def test_a_queue_and_its_state(inspected: api.Redis, redis: redis_py.Redis) -> None:
    queue = api.Queue("mail", inspected)
    assert queue.state() == api.QueueState("mail", 0, 0.0, False)
    assert (queue.memory(), queue.size, queue.latency, queue.is_paused, list(queue)) == (0, 0, 0.0, False, [])
    now = time.time()
    push(redis, "mail", payload(1, enqueued_at=int((now - 90) * 1000)), payload(2, enqueued_at=now - 5))
    assert queue.size == 2
    assert queue.latency == pytest.approx(90, abs=5)
    assert queue.memory() > 100
    redis.rpop("queue:mail")
    assert queue.latency == pytest.approx(5, abs=5), "of Sidekiq 7, in seconds"
    queue.pause()
    assert queue.is_paused
    assert redis.smembers("paused") == {b"mail"}
    queue.resume()
    assert not queue.is_paused
    assert queue.clear() == 1
    assert redis.keys("*") == []


def test_latency_of_what_does_not_say(inspected: api.Redis, redis: redis_py.Redis) -> None:
    queue = api.Queue("odd", inspected)
    for raw in (b"no JSON", payload(1), payload(1, enqueued_at="2026-01-01"), payload(1, enqueued_at=1e300)):
        push(redis, "odd", raw)
        assert queue.state().latency == 0.0
        redis.delete("queue:odd")
    push(redis, "odd", payload(1, enqueued_at=int((time.time() + 1e6) * 1000)))
    assert queue.latency == 0.0, "by a clock that is ahead"
    redis.delete("queue:odd")
    push(redis, "odd", payload(1, args=["x" * 100_000]))
    assert queue.state().latency is None
    assert queue.latency == 0.0


def test_all_queues(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for number in range(600):
        push(redis, f"q{number:03}", payload(number))
    redis.lpush("queue:q007", payload(7))
    redis.sadd("paused", "q007", "nobody")
    found = api.queues(inspected)
    assert [queue.name for queue in found] == [f"q{number:03}" for number in range(600)]
    assert [(queue.name, queue.size) for queue in found if queue.is_paused] == [("q007", 2)]
    assert sum(queue.size for queue in found) == 601
    assert [queue.name for queue in api.Queue.all(inspected)] == [queue.name for queue in found]
    notes: list[str] = []
    assert len(api.queues(inspected, most=100, notes=notes)) == 100
    assert "600" in notes[0]


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names(name: str, inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(redis, name, payload(1))
    (state,) = api.queues(inspected)
    assert (state.name, state.size) == (name, 1)
    queue = api.Queue(state.name, inspected)
    queue.pause()
    assert queue.state().is_paused
    assert jids(queue) == jids(queue.page().items) == [JID.format(1)]
    assert queue.clear() == 1
    assert api.queues(inspected) == []


def test_keys_of_another_type(inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.sadd("queues", "a", "b", b"\xff")
    redis.set("queue:a", "x")
    push(redis, "b", payload(1))
    notes: list[str] = []
    assert [queue.name for queue in api.queues(inspected, notes=notes)] == ["b", "\ufffd"]
    assert "queue:a " in notes[0]
    queue = api.Queue("a", inspected)
    with pytest.raises(RedisReplyError, match="no list"):
        queue.state()
    page = queue.page()
    assert (page.items, page.total, page.next) == ([], 0, None)
    assert list(queue) == []
    assert queue.find("x") is None
    redis.set("paused", "x")
    assert not api.Queue("b", inspected).is_paused
    redis.delete("queues")
    redis.set("queues", "x")
    assert api.queues(inspected, notes=notes) == []
    assert api.Queue("a", inspected).clear() == 0
    assert redis.get("queues") == b"x"


@pytest.mark.parametrize("order", ["latest", "next"])
def test_pages(order: str, inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(redis, "q", *(payload(number) for number in range(100)))
    queue, found, cursor = api.Queue("q", inspected), list[str](), None
    while True:
        page = queue.page(cursor, 7, order=order)
        assert page.total == 100
        found += jids(page.items)
        if (cursor := page.next) is None:
            break
    assert found == [JID.format(number) for number in range(100)][:: 1 if order == "next" else -1]
    with pytest.raises(ArgumentError, match="no cursor"):
        queue.page(queue.page(order=order).next, order="next" if order == "latest" else "latest")


@pytest.mark.parametrize("cursor", ["x", "head_", "head_-1", "tail_1", "head_1 ", "head_" + "9" * 19])
def test_what_is_no_cursor_is_refused(cursor: str, inspected: api.Redis) -> None:
    with pytest.raises(ArgumentError, match="no cursor"):
        api.Queue("q", inspected).page(cursor)
    with pytest.raises(ArgumentError, match="no order"):
        api.Queue("q", inspected).page(order="sideways")


def test_a_page_by_filter(inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(
        redis, "q", *(payload(number, tags=["a"] if number % 10 == 0 else [], queue="other") for number in range(9_000))
    )
    queue, found, cursor = api.Queue("q", inspected), list[str](), None
    while True:
        page = queue.page(cursor, 100, api.Filter(tag="a", queue="q"), look=2_500, seconds=5)
        assert page.looked <= 2_500
        found += jids(page.items)
        if (cursor := page.next) is None:
            break
    assert found == [JID.format(number) for number in range(9_000) if number % 10 == 0][::-1]
    assert queue.page(wanted=api.Filter(queue="other"), seconds=5).items == []
    beyond = queue.page("head_99999", 5)
    assert (beyond.items, beyond.next) == ([], None)


def test_a_walk_while_jobs_come_and_go(inspected: api.Redis, redis: redis_py.Redis) -> None:
    """Jobs are pushed, taken to be run, and deleted from the middle; of those that stay none is missed or doubled."""
    raws = [payload(number) for number in range(8_000)]
    push(redis, "q", *raws)
    staying = set(raws[2_000::2])
    stopped = threading.Event()

    def stir() -> None:
        number, going = 1_000_000, raws[2_001::2]
        while not stopped.is_set():
            redis.lpush("queue:q", *(payload(number + each) for each in range(50)))
            if number < 1_005_000:
                redis.rpop("queue:q", 10)
            for _ in range(10):
                if going:
                    redis.lrem("queue:q", 1, going.pop())
            number += 50

    thread = threading.Thread(target=stir)
    thread.start()
    try:
        found = [job.raw for job in api.Queue("q", inspected)]
    finally:
        stopped.set()
        thread.join(10)
    assert len(found) == len(set(found))
    assert staying <= set(found)


def test_a_walk_over_equal_jobs_ends(inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(redis, "q", *[payload(1)] * 3_500, *[payload(2)] * 10)
    assert len(list(api.Queue("q", inspected))) == 3_510


def test_one_is_found_and_deleted(inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(redis, "q", *(payload(number) for number in range(7_000)), *HOSTILE)
    queue = api.Queue("q", inspected)
    for number in (0, 3_500, 6_999):
        job = queue.find(JID.format(number))
        assert job is not None
        assert (job.jid, job.queue) == (JID.format(number), "q")
        assert queue.delete(job)
        assert not queue.delete(job)
    odd = queue.find('a"quoted"\n-jid')
    assert odd is not None
    assert queue.delete(odd)
    assert (queue.find(""), queue.find("nobody"), queue.size) == (None, None, 6_996 + len(HOSTILE))


def test_jobs_too_long_to_be_read(inspected: api.Redis, redis: redis_py.Redis) -> None:
    push(redis, "q", payload(1), payload(2, args=["x" * 3_000_000]), payload(3))
    page = api.Queue("q", inspected).page()
    assert [job.jid for job in page.items] == [JID.format(3), "", JID.format(1)]
    redis.lpush("queue:q", b"")
    assert not api.Queue("q", inspected).delete(page.items[1]), "nor what is empty instead of it"
    redis.lpop("queue:q")
    filtered = api.Queue("q", inspected).page(wanted=api.Filter(class_name="Hard"), seconds=20)
    assert jids(filtered.items) == [JID.format(3), JID.format(1)]
    assert "longer than" in filtered.notes[0]
    assert json.loads(redis.lindex("queue:q", 0))["jid"] == JID.format(3)
