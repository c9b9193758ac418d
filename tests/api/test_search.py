"""A jid, looked for in all places."""

import json

import pytest
import redis as redis_py

from api.kit import JID, failed, fill, payload
from fastkiq import api
from fastkiq.errors import ArgumentError

pytestmark = pytest.mark.both_servers


@pytest.mark.parametrize("seconds", [0, 20])
def test_one_that_is_everywhere(seconds: float, inspected: api.Redis, redis: redis_py.Redis) -> None:
    for key in ("retry", "schedule", "dead"):
        fill(redis, key, {failed(number, place=key): number for number in range(50)})
    for name in ("a", "b~c", "d"):
        redis.sadd("queues", name)
        redis.lpush(f"queue:{name}", payload(7), payload(8))
    redis.sadd("processes", "vm:1:ab")
    redis.hset("vm:1:ab", mapping={"info": '{"version":"fastkiq 1"}', "busy": 1})
    redis.hset("vm:1:ab:work", "t1", json.dumps({"queue": "a", "payload": payload(7).decode(), "run_at": 5}))
    running, entries, waiting, cursor, parts = [], [], [], None, 0
    while True:
        found = api.search(JID.format(7), inspected, cursor, seconds=seconds)
        running += found.running
        entries += found.entries
        waiting += found.waiting
        parts += 1
        if (cursor := found.cursor) is None:
            break
        assert parts < 50
    assert [(work.thread, work.queue) for work in running] == [("t1", "a")]
    assert [entry.set.key for entry in entries] == ["retry", "schedule", "dead"]
    assert [job.queue for job in waiting] == ["a", "b~c", "d"]
    assert (parts > 5) == (seconds == 0)


def test_one_that_is_nowhere(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number): number for number in range(50)})
    found = api.search("nobody", inspected, seconds=20)
    assert (found.is_empty, found.cursor, found.looked) == (True, None, 50)


def test_among_a_thousand_queues(inspected: api.Redis, redis: redis_py.Redis) -> None:
    with redis.pipeline() as pipeline:
        for number in range(1_000):
            pipeline.sadd("queues", f"q{number:03}")
            pipeline.lpush(f"queue:q{number:03}", payload(number))
        pipeline.execute()
    (job,) = api.search(JID.format(998), inspected, seconds=20).waiting
    assert job.queue == "q998"


@pytest.mark.parametrize(
    ("jid", "cursor"), [("", None), ("x" * 1_001, None), ("x", "x"), ("x", "other~"), ("x", "retry~x")]
)
def test_what_is_refused(jid: str, cursor: str | None, inspected: api.Redis) -> None:
    with pytest.raises(ArgumentError):
        api.search(jid, inspected, cursor)
