"""The scripts of recurring jobs, each on real servers, where a call may touch the keys it declares and no others."""

import json
import time
from collections.abc import Iterator

import pytest
import redis as redis_py

from model.cron_calls import (
    CRON,
    HELD,
    HISTORY,
    NAME,
    NEXT,
    ORPHANS,
    PAUSED,
    SEEN,
    due,
    hold,
    move,
    orphan,
    sha,
    tick,
    turn,
)
from model.kit import ME, OTHER, Restricted
from servers import Server

pytestmark = pytest.mark.both_servers


@pytest.fixture
def run(server: Server) -> Iterator[Restricted]:
    with Restricted(server) as run:
        yield run


def entered(redis: redis_py.Redis, score: float = 100, definition: str = "A") -> None:
    redis.hset(CRON, NAME, definition)
    redis.zadd(NEXT, {NAME: score})


def test_a_look_answers_what_is_due_and_spares_what_is_too_long(run: Restricted, redis: redis_py.Redis) -> None:
    later = time.time() + 500
    redis.hset(CRON, mapping={"a": "A", "long": "x" * 101, "later": "L"})
    redis.zadd(NEXT, {"a": 1, "long": 2, "missing": 3, "later": later})
    _, _, following, *found = run(due())
    assert float(following) == pytest.approx(later)
    assert found == [b"a", b"1", b"A", b"long", b"2", 101, b"missing", b"3", 0]
    assert run(due(most=1))[3:] == [b"a", b"1", b"A"]
    assert run(due(most_bytes=0))[3:] == [b"a", b"1", b"A"]
    assert run(due(most=1, passed=1))[3:] == [b"long", b"2", 101]
    assert run(due(passed=3))[2:] == [following]


def test_a_tick_is_fired_once(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    assert run(tick("100", "A")) == 1
    assert run(tick("100", "A")) == 0
    assert redis.lrange("queue:mail", 0, -1) == [b"job"]
    assert redis.smembers("queues") == {b"mail"}
    assert redis.zscore(NEXT, NAME) == 200
    line = json.loads(redis.lindex(HISTORY, 0))
    assert (line["tick"], line["jid"], line["how"]) == (100, "jid", "tick")
    assert line["at"] == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize("change", ["time", "definition", "gone", "fenced"])
def test_a_tick_of_what_has_changed_is_not_fired(run: Restricted, redis: redis_py.Redis, change: str) -> None:
    entered(redis, score=101 if change == "time" else 100, definition="B" if change == "definition" else "A")
    if change == "gone":
        redis.hdel(CRON, NAME)
    assert run(tick("100", "A", holder=ME if change == "fenced" else "")) in (0, b"FENCED")
    assert not redis.exists("queue:mail", "queues", HISTORY)


def test_a_tick_of_a_holder_that_lives(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    redis.zadd("fastkiq:alive", {ME: 1})
    assert run(tick("100", "A", holder=ME, following="")) == 1
    assert redis.zscore(NEXT, NAME) is None


def test_a_paused_tick_passes(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    redis.sadd(PAUSED, NAME)
    assert run(tick("100", "A", following="", after="50")) == 2
    assert not redis.exists("queue:mail", "queues")
    line = json.loads(redis.lindex(HISTORY, 0))
    assert (line["jid"], line["how"]) == (None, "paused")
    assert redis.zscore(NEXT, NAME) == pytest.approx(line["at"] + 50, abs=0.01)


def test_a_refused_push_changes_nothing(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    redis.set("queue:mail", "x")
    with pytest.raises(redis_py.ResponseError, match="WRONGTYPE"):
        run(tick("100", "A"))
    assert redis.zscore(NEXT, NAME) == 100
    assert not redis.exists(HISTORY)


def test_a_history_that_is_none_keeps_no_tick_from_being_fired_once(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    redis.set(HISTORY, "x")
    redis.set("queues", "x")
    assert run(tick("100", "A")) == 1
    assert redis.llen("queue:mail") == 1


def test_a_history_is_bounded(run: Restricted, redis: redis_py.Redis) -> None:
    for number in range(5):
        entered(redis, number)
        assert run(tick(str(number), "A")) == 1
    assert redis.llen(HISTORY) == 3


def test_the_newest_definition_of_the_living_wins(run: Restricted, redis: redis_py.Redis) -> None:
    redis.zadd("fastkiq:alive", {ME: 1, OTHER: 1, "third": 1})
    assert run(hold(ME, "A", None, "100")) == b"won"
    assert run(hold(OTHER, "B", "A", "200")) == b"won"
    assert run(hold("third", "A", "B", "300")) == b"lost"
    assert (redis.hget(CRON, NAME), redis.zscore(NEXT, NAME)) == (b"B", 200)
    redis.zrem("fastkiq:alive", OTHER)
    assert run(hold(ME, "A", "B", "400")) == b"won"
    assert (redis.hget(CRON, NAME), redis.zscore(NEXT, NAME)) == (b"A", 400)
    assert redis.hgetall(HELD) == {ME.encode(): sha("A").encode(), b"third": sha("A").encode()}
    redis.zadd("fastkiq:alive", {OTHER: 1})
    assert run(hold(OTHER, "B", "A", "500")) == b"won", "it is still the one that was first seen last"


def test_who_does_not_live_holds_nothing(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(hold(ME, "A", None)) == b"fenced"
    assert not redis.exists(CRON, NEXT, HELD, SEEN)


def test_what_changed_meanwhile_is_read_again(run: Restricted, redis: redis_py.Redis) -> None:
    redis.zadd("fastkiq:alive", {ME: 1})
    redis.hset(CRON, NAME, "X")
    assert run(hold(ME, "A", None, "100")) == b"changed"
    assert (redis.hget(CRON, NAME), redis.zscore(NEXT, NAME)) == (b"X", None)
    redis.hset(ORPHANS, NAME, "1 50")
    assert run(hold(ME, "A", "X", "none")) == b"won"
    assert not redis.hexists(ORPHANS, NAME)


def test_a_move_needs_what_was_read(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    assert run(move("99", 1, "500")) == run(move("100", 2, "500")) == run(move("", 1, "500")) == 0
    assert run(move("100", 1, "500")) == 1
    assert redis.zscore(NEXT, NAME) == 500
    assert run(move("500", 1, "")) == 1
    assert run(move("", 1, "600")) == 1
    assert redis.zscore(NEXT, NAME) == 600


def test_an_orphan_waits_and_goes(run: Restricted, redis: redis_py.Redis) -> None:
    entered(redis)
    redis.hset(HELD, ME, sha("A"))
    redis.zadd("fastkiq:alive", {ME: 1})
    assert run(orphan(1)) == b"held"
    redis.zrem("fastkiq:alive", ME)
    assert run(orphan(5)) == b"changed"
    assert run(orphan(1)) == b"orphaned"
    since, score = redis.hget(ORPHANS, NAME).split()
    assert int(since) == pytest.approx(time.time(), abs=5)
    assert (score, redis.zscore(NEXT, NAME)) == (b"100", None)
    assert run(orphan(1)) == b"waits"
    assert run(orphan(1, kept=0)) == b"removed"
    assert not redis.exists(CRON, NEXT, ORPHANS, HELD, SEEN, HISTORY)


def test_a_clock_that_was_set_back_lets_an_orphan_wait_anew(run: Restricted, redis: redis_py.Redis) -> None:
    redis.hset(CRON, NAME, "A")
    redis.hset(ORPHANS, NAME, "99999999999 100")
    assert run(orphan(1)) == b"orphaned"
    since, score = redis.hget(ORPHANS, NAME).split()
    assert int(since) < 99_999_999_999
    assert score == b"100"


def test_one_takes_the_turn(run: Restricted, redis: redis_py.Redis) -> None:
    assert [run(turn()), run(turn()), run(turn(at_once=1))] == [1, 0, 1]
    redis.set("fastkiq:cron:swept", "99999999999")
    assert run(turn()) == 1, "no clock that was ahead keeps everybody from it"
    redis.set("fastkiq:cron:swept", "nonsense")
    assert run(turn()) == 1
