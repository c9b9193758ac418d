"""The core's client against real servers: what is enqueued, and what is refused."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from core_kit import HARD, args_of, client, scheduled, stored
from fastkiq import _core
from fastkiq.errors import ArgumentError, RedisReplyError

__all__ = ["client"]


@pytest.mark.both_servers
def test_a_push_in_sidekiq_s_bytes(client: _core.Client, redis: redis_py.Redis) -> None:
    before = time.time_ns() // 1_000_000
    jid = client.push(HARD, (1, 2.5, "é", None, True, {"a": [1]}))
    after = time.time_ns() // 1_000_000
    (raw,) = redis.lrange("queue:critical", 0, -1)
    created = json.loads(raw)["created_at"]
    assert before <= created <= after
    assert raw.decode() == (
        f'{{"retry":5,"queue":"critical","tags":["a"],"args":[1,2.5,"é",null,true,{{"a":[1]}}],"class":"HardWorker",'
        f'"jid":"{jid}","created_at":{created},"enqueued_at":{created}}}'
    )
    assert len(jid) == 24
    assert set(jid) <= set("0123456789abcdef")
    assert redis.smembers("queues") == {b"critical"}


@pytest.mark.both_servers
def test_delays_count_from_redis_s_clock(client: _core.Client, redis: redis_py.Redis) -> None:
    seconds, micros = redis.time()
    client.push(HARD, [1], 60)
    client.push(HARD, [2], 0.25)
    client.push(HARD, [3], 0)
    client.push(HARD, [4], -5.0)
    (soon, soon_at), (later, later_at) = scheduled(redis)
    now = seconds + micros / 1e6
    assert now + 0.25 - 0.05 < soon_at < now + 2
    assert now + 60 - 0.05 < later_at < now + 62
    assert "enqueued_at" not in soon
    assert "enqueued_at" not in later
    assert args_of(redis) == [[3], [4]]


def test_an_absolute_time_is_taken_as_it_is(client: _core.Client, redis: redis_py.Redis) -> None:
    at = int(time.time()) + 1000
    client.push(HARD, [1], None, at)
    client.push(HARD, [2], None, at + 0.123456)
    client.push(HARD, [3], None, time.time() - 1)
    assert [(payload["args"], score) for payload, score in scheduled(redis)] == [([1], at), ([2], at + 0.123456)]
    assert args_of(redis) == [[3]]


def test_what_is_due_at_once_is_announced(client: _core.Client, redis: redis_py.Redis) -> None:
    with redis.pubsub() as channel:
        channel.subscribe("fastkiq:scheduled")
        assert channel.get_message(timeout=5)
        client.push(HARD, [1], 30)
        client.push(HARD, [2], 0.5)
        client.push_bulk(HARD, [[3], [4]], [time.time() + 0.9, time.time() + 40])
        heard = [channel.get_message(timeout=5), channel.get_message(timeout=5)]
        assert channel.get_message(timeout=0) is None
    scores = [score for payload, score in scheduled(redis) if payload["args"] in ([2], [3])]
    assert [float(message["data"]) for message in heard if message] == scores


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bob",), r"^args: str; pass a list or tuple"),
        (([{"when": {1}}],), r'^args\[0\]\["when"\]: set'),
        (([1], "soon"), r"^delay: str; pass seconds"),
        (([1], True), r"^delay: bool; pass seconds"),
        (([1], float("nan")), r"^delay: NaN, out of range"),
        (([1], None, 1e300), r"^at: .*, out of range"),
        (([1], 1, 1), r"^at: given beside delay"),
    ],
)
def test_bad_pushes_are_refused_at_the_call(
    client: _core.Client, redis: redis_py.Redis, arguments: Any, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        client.push(HARD, *arguments)
    assert redis.dbsize() == 0


def test_payloads_have_a_limit_and_large_ones_a_warning(client: _core.Client, redis: redis_py.Redis) -> None:
    small = _core.Template("A", {"retry": True, "queue": "q"}, 200)
    client.push(small, ["x" * 50])
    with pytest.raises(ArgumentError, match=r"^args: a payload of \d+ bytes; the limit is 200"):
        client.push(small, ["x" * 200])
    with pytest.warns(UserWarning, match=r"payload of 1311"):
        client.push(HARD, ["x" * 131_000])
    with pytest.raises(ArgumentError, match=r"^payload: a payload of"):
        client.push_payload({"class": "A", "queue": "q", "retry": 1, "args": ["x" * 8_388_608]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": "q"}, "retry"),
        ({"retry": 1}, "queue"),
        ({"retry": 1, "queue": ""}, "queue"),
        ({"retry": 1, "queue": 5}, "queue"),
        ({"retry": 1, "queue": "q", "jid": "x"}, "jid"),
        ({"retry": 1, "queue": "q", "tags": {1}}, "tags"),
    ],
)
def test_templates_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf'^options\["{message}"\]'):
        _core.Template("A", options)


@pytest.mark.both_servers
def test_bulk_is_lazy_and_in_order(client: _core.Client, redis: redis_py.Redis) -> None:
    seen: list[int] = []

    def rows() -> Iterator[list[int]]:
        for number in range(2500):
            if number % 1000 == 0:
                seen.append(redis.llen("queue:critical"))
            yield [number]

    jids = client.push_bulk(HARD, rows())
    # While one batch is under way the next one is taken from the iterable, and no more.
    assert all(1000 * (at - 1) <= length <= 1000 * at for at, length in enumerate(seen)), seen
    assert args_of(redis) == [[number] for number in range(2500)]
    assert [payload["jid"] for payload in stored(redis)] == list(jids)


def test_jids_are_a_sequence(client: _core.Client) -> None:
    jids = client.push_bulk(HARD, [[number] for number in range(10)])
    listed = list(jids)
    assert len(jids) == len(set(listed)) == 10
    assert (jids[0], jids[-1], jids[2:5], jids[::-3]) == (listed[0], listed[-1], listed[2:5], listed[::-3])
    assert listed[3] in jids
    assert "x" not in jids
    assert 5 not in jids
    assert jids[5:5] == []
    for index in (10, -11):
        with pytest.raises(IndexError):
            jids[index]


def test_the_rows_of_a_bulk_push_may_push_jobs_of_their_own(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, pool_size=1)

    def rows() -> Iterator[list[int]]:
        for number in range(2500):
            if number % 500 == 0:
                client.push(HARD, [-number])
            yield [number]

    client.push_bulk(HARD, rows())
    assert redis.llen("queue:critical") == 2505


def test_bulk_at_one_time_or_each_at_its_own(client: _core.Client, redis: redis_py.Redis) -> None:
    at = time.time() + 500
    client.push_bulk(HARD, [[1], [2]], at)
    client.push_bulk(HARD, iter([[3], [4]]), iter([at + 1, time.time() - 1]))
    assert sorted(payload["args"] for payload, _ in scheduled(redis)) == [[1], [2], [3]]
    assert args_of(redis) == [[4]]


def test_a_bad_row_says_what_came_before(client: _core.Client, redis: redis_py.Redis) -> None:
    rows = iter([[1], [2], [3], [{4}], [5]])
    with pytest.raises(ArgumentError, match=r"^rows\[3\]\[0\]: set") as caught:
        client.push_bulk(HARD, rows, None, 2)
    error: Any = caught.value
    assert args_of(redis) == [[1], [2]]
    assert [payload["jid"] for payload in stored(redis)] == list(error.pushed)
    assert list(error.rest) == [[3], [{4}], [5]]
    assert "2 jobs had already been enqueued" in error.__notes__[0]


def test_an_iterable_that_fails_says_what_came_before(client: _core.Client, redis: redis_py.Redis) -> None:
    def rows() -> Iterator[list[int]]:
        yield from ([1], [2], [3])
        raise LookupError("the source is dry")

    with pytest.raises(LookupError, match=r"dry") as caught:
        client.push_bulk(HARD, rows(), None, 2)
    error: Any = caught.value
    assert args_of(redis) == [[1], [2]]
    assert (len(error.pushed), list(error.rest)) == (2, [[3]])


def test_too_few_times(client: _core.Client, redis: redis_py.Redis) -> None:
    with pytest.raises(ArgumentError, match=r"^at: only 1 of them") as caught:
        client.push_bulk(HARD, [[1], [2]], [time.time() + 5])
    error: Any = caught.value
    assert list(error.rest) == [[1], [2]]
    assert len(list(error.rest_at)) == 1
    assert redis.dbsize() == 0


def test_a_whole_payload(client: _core.Client, redis: redis_py.Redis) -> None:
    payload = {"retry": True, "queue": "q", "args": (1, "x"), "class": "A", "custom": {"a": 1}}
    jid = client.push_payload(payload)
    assert client.push_payload(payload | {"jid": "my own", "created_at": 5, "enqueued_at": 6}) == "my own"
    at = time.time() + 50
    late = client.push_payload(payload | {"at": at})
    client.push_payload(payload | {"at": time.time() - 50, "queue": "r"})
    first, second = stored(redis, "q")
    assert list(first) == ["retry", "queue", "args", "class", "custom", "jid", "created_at", "enqueued_at"]
    assert (first["jid"], first["args"], first["enqueued_at"]) == (jid, [1, "x"], first["created_at"])
    assert (second["jid"], second["created_at"], second["enqueued_at"] > 6) == ("my own", 5, True)
    ((waiting, score),) = scheduled(redis)
    assert (waiting["jid"], score) == (late, pytest.approx(at, abs=1e-5))
    assert not {"at", "enqueued_at"} & waiting.keys()
    assert len(stored(redis, "r")) == 1
    assert "jid" not in payload


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queue": None}, r'^payload\["queue"\]'),
        ({"class": ""}, r'^payload\["class"\]'),
        ({"args": "bob"}, r'^payload\["args"\]: str'),
        ({"args": [{1}]}, r'^payload\["args"\]\[0\]: set'),
        ({"at": "soon"}, r'^payload\["at"\]: str'),
        ({"jid": 5}, r'^payload\["jid"\]'),
        ({"tags": [{1}]}, r'^payload\["tags"\]\[0\]: set'),
        ({1: 2}, r"^payload: a key that is no str"),
    ],
)
def test_bad_payloads_are_refused(client: _core.Client, redis: redis_py.Redis, change: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        client.push_payload({"retry": True, "queue": "q", "args": [], "class": "A"} | change)
    assert redis.dbsize() == 0


def test_many_payloads_to_many_places(client: _core.Client, redis: redis_py.Redis) -> None:
    def payload(queue: str, number: int, **extra: Any) -> dict[str, Any]:
        return {"retry": True, "queue": queue, "args": [number], "class": "A", **extra}

    at = time.time() + 100
    mixed = [payload("a", 1), payload("b", 2, jid="own"), payload("a", 3, at=at), payload("a", 4)]
    jids = client.push_payloads(iter(mixed))
    assert jids[1] == "own"
    assert "own" in jids
    assert args_of(redis, "a") == [[1], [4]]
    assert args_of(redis, "b") == [[2]]
    assert [(job["args"], job["jid"]) for job, _ in scheduled(redis)] == [([3], jids[2])]
    assert redis.smembers("queues") == {b"a", b"b"}
    with pytest.raises(ArgumentError, match=r"^payloads\[1\]: not a dict"):
        client.push_payloads([payload("a", 1), 5])


def test_commands(client: _core.Client) -> None:
    assert client.command("SET", b"k", 5) == "OK"
    assert client.command("GET", "k") == b"5"
    assert client.command("INCRBYFLOAT", "k", 0.5) == b"5.5"
    assert client.command("GET", "absent") is None
    assert client.command("EVAL", "return {1, {'a'}, false}", 0) == [1, [b"a"], None]
    with pytest.raises(RedisReplyError, match=r"^ERR unknown command"):
        client.command("NONSENSE")
    with pytest.raises(RedisReplyError, match=r"^WRONGTYPE"):
        client.command("LPUSH", "k", 1)
    with pytest.raises(ArgumentError, match=r"^words\[1\]: list"):
        client.command("GET", [])
    with pytest.raises(ArgumentError, match=r"^words: empty"):
        client.command()


def test_large_replies(client: _core.Client, redis: redis_py.Redis) -> None:
    redis.rpush("list", *[b"x" * 1000] * 5000)
    assert client.command("LRANGE", "list", 0, -1) == [b"x" * 1000] * 5000
    redis.set("big", b"y" * 20_000_000)
    assert client.command("GET", "big") == b"y" * 20_000_000
