"""From an enqueue call of a worker to what lies in Redis."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

import fastkiq
from client_kit import JID, Hard, Nested, config, queued, scheduled
from fastkiq import ArgumentError

__all__ = ["config"]


@pytest.mark.both_servers
def test_perform_async_writes_what_sidekiq_writes(redis: Redis) -> None:
    jid = Hard.perform_async("bob", count=5)
    assert jid is not None
    assert JID.fullmatch(jid)
    [raw] = redis.lrange("queue:low", 0, -1)
    payload = json.loads(raw)
    assert list(payload) == ["retry", "queue", "args", "class", "jid", "created_at", "enqueued_at"]
    now = time.time() * 1000
    assert type(payload["created_at"]) is int
    assert abs(payload.pop("created_at") - now) < 60_000
    assert abs(payload.pop("enqueued_at") - now) < 60_000
    assert payload == {"retry": 5, "queue": "low", "args": ["bob", 5], "class": "app.Hard", "jid": jid}
    assert redis.smembers("queues") == {b"low"}


def test_set_and_function_workers(redis: Redis) -> None:
    @fastkiq.job(queue="mail", name="send")
    def send(to: str) -> None: ...

    Hard.set(queue="other", retry=False, tags=["x"]).perform_async("bob")
    send.perform_async("ann")
    send.set(queue="other").perform_async("eve")
    first, second = queued(redis, "other")
    assert (first["retry"], first["queue"], first["tags"], first["class"]) == (False, "other", ["x"], "app.Hard")
    assert (second["class"], second["args"]) == ("send", ["eve"])
    assert queued(redis, "mail")[0]["args"] == ["ann"]


@pytest.mark.parametrize("delay", [3600, 3600.5, timedelta(hours=1)])
def test_perform_in(delay: Any, redis: Redis) -> None:
    before = time.time()
    jid = Hard.perform_in(delay, "bob")
    [(payload, score)] = scheduled(redis)
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    assert before + seconds - 1 <= score <= time.time() + seconds + 1
    assert payload["jid"] == jid
    assert "at" not in payload
    assert "enqueued_at" not in payload


def test_perform_at(redis: Redis) -> None:
    moment = datetime(2099, 1, 1, 12, tzinfo=UTC)
    Hard.perform_at(moment, "bob")
    Hard.perform_at(moment.timestamp() + 0.25, "ann", 2)
    assert [score for _, score in scheduled(redis)] == [moment.timestamp(), moment.timestamp() + 0.25]


def test_no_delay_and_the_past_mean_now(redis: Redis) -> None:
    Hard.perform_in(0, "a")
    Hard.perform_in(-5, "b")
    Hard.perform_in(timedelta(seconds=-1), "c")
    Hard.perform_at(0, "d")
    Hard.perform_at(datetime(2000, 1, 1, tzinfo=UTC), "e")
    assert [each["args"][0] for each in queued(redis)] == ["a", "b", "c", "d", "e"]
    assert not scheduled(redis)


@pytest.mark.parametrize("delay", [True, "5", None, float("nan"), float("inf"), 1e12])
def test_delays_that_are_refused(delay: Any) -> None:
    with pytest.raises(ArgumentError, match="delay"):
        Hard.perform_in(delay, "bob")


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (datetime(2099, 1, 1), "has no time zone"),  # noqa: DTZ001
        (True, "not bool"),
        ("tomorrow", "not str"),
        (float("nan"), "out of range"),
        (1.8e12, "milliseconds"),
    ],
)
def test_times_that_are_refused(when: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Hard.perform_at(when, "bob")
    with pytest.raises(ArgumentError, match=message):
        fastkiq.Client().push_bulk(Hard, [("bob",)], at=when if not isinstance(when, str) else [when])


def test_arguments_that_are_not_json_enqueue_nothing(redis: Redis) -> None:
    for value in ({"when": datetime.now(UTC)}, {1}, b"x", (1,), float("nan"), {"a": [object()]}, {1: 2}):
        with pytest.raises(ArgumentError, match=r"args\[0\]"):
            Nested.perform_async(value)
    assert redis.keys() == []


def test_perform_bulk_from_a_generator(redis: Redis) -> None:
    jids = Hard.perform_bulk((f"n{number}", number) for number in range(2_500))
    assert len(jids) == 2_500
    assert [each["args"] for each in queued(redis)] == [[f"n{number}", number] for number in range(2_500)]
    assert [each["jid"] for each in queued(redis)] == list(jids)
    assert not Hard.perform_bulk([])


def test_perform_bulk_at_one_time_or_one_each(redis: Redis) -> None:
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    Hard.perform_bulk([["a"], ["b"]], at=moment)
    Hard.perform_bulk([["c"], ["d"]], at=iter([moment.timestamp() + 1, moment + timedelta(seconds=2)]))
    assert [(payload["args"], score - moment.timestamp()) for payload, score in scheduled(redis)] in (
        [(["a"], 0), (["b"], 0), (["c"], 1), (["d"], 2)],
        [(["b"], 0), (["a"], 0), (["c"], 1), (["d"], 2)],
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((), r"Hard\.perform\(name: str, count: int = 1\).*: row 1: missing a required argument: 'name'"),
        (("a", 1, 2), "row 1: too many positional arguments"),
        ("ab", "row 1 must be a list or tuple of arguments, not str"),
        (5, "row 1 must be a list or tuple of arguments, not int"),
    ],
)
def test_a_bad_row_is_named(row: Any, message: str, redis: Redis) -> None:
    with pytest.raises(ArgumentError, match=message):
        Hard.perform_bulk([("a",), row])


def test_the_async_twins(redis: Redis) -> None:
    async def main() -> list[Any]:
        return [
            await Hard.aperform_async("a"),
            await Hard.aperform_in(-1, "b"),
            await Hard.aperform_at(0, "c", count=3),
            *await Hard.aperform_bulk([("d",)]),
            await Hard.set(queue="low").aperform_async("e"),
        ]

    jids = asyncio.run(main())
    assert [each["jid"] for each in queued(redis)] == jids
    assert [each["args"] for each in queued(redis)] == [["a"], ["b"], ["c", 3], ["d"], ["e"]]
