"""Each script's promises, one by one, on real servers, where a call may touch the keys it declares and no others."""

import pytest
import redis as redis_py

from model.calls import DIGESTS, SOURCES, STATS, Call, ack, beat, claim, fence, flight, flights, join, leave
from model.kit import LIST, ME, OTHER, QUEUE, Restricted, counts, jobs, joined, oldest_first, run

pytestmark = pytest.mark.both_servers
__all__ = ["joined", "run"]


def test_an_undeclared_key_would_show(run: Restricted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "sneak", "return redis.call('GET', 'another')")
    monkeypatch.setitem(DIGESTS, "sneak", "0" * 40)
    with pytest.raises(redis_py.ResponseError, match=r"(?i)at least one of the keys|permission"):
        run(Call("sneak", ("declared",), ()))


# Who lives: join, beat, fence, leave


def test_who_has_joined_beats_by_redis_clock(run: Restricted, redis: redis_py.Redis) -> None:
    joined = run(join(ME, ["mail"], proof="17 99"))
    score = redis.zscore("fastkiq:alive", ME)
    assert score == pytest.approx(joined[0] + joined[1] / 1e6, abs=1e-6)
    assert redis.hgetall(f"fastkiq:process:{ME}") == {b"schema": b"1", b"queues": b"mail", b"machine": b"m"}
    assert redis.hgetall("fastkiq:machine:m") == {ME.encode(): b"17 99"}
    seconds, micros = run(beat(ME))
    assert redis.zscore("fastkiq:alive", ME) == pytest.approx(seconds + micros / 1e6, abs=1e-6)
    assert redis.zscore("fastkiq:alive", ME) > score
    assert redis.ttl(f"fastkiq:process:{ME}") == redis.ttl("fastkiq:alive") == -1


def test_without_a_proof_no_neighbour_is_told_one(run: Restricted, redis: redis_py.Redis) -> None:
    run(join(ME, ["mail"], proof=""))
    assert not redis.exists("fastkiq:machine:m")


def test_who_has_not_joined_is_fenced(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(QUEUE, "job")
    assert run(beat(ME)) == run(claim(ME, [("mail", 1, 5)])) == b"FENCED"
    assert oldest_first(redis, QUEUE) == [b"job"]
    assert not redis.exists("fastkiq:alive", flights(ME), LIST)


def test_a_fence_needs_the_score_that_was_seen(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    seen = redis.execute_command("ZSCORE", "fastkiq:alive", ME)
    text = redis.eval("return redis.call('ZSCORE', KEYS[1], ARGV[1])", 1, "fastkiq:alive", ME).decode()
    assert float(text) == float(seen)
    run(beat(ME))
    assert run(fence(ME, text)) == 0, "it has beaten since"
    assert redis.zcard("fastkiq:tombs") == 0
    text = redis.eval("return redis.call('ZSCORE', KEYS[1], ARGV[1])", 1, "fastkiq:alive", ME).decode()
    redis.sadd("processes", ME, OTHER)
    redis.hset(f"{ME}:work", "t", "job")
    assert run(fence(ME, text)) == 1
    assert run(fence(ME, text)) == run(fence(ME)) == 0, "once"
    assert redis.zscore("fastkiq:tombs", ME) == pytest.approx(redis.time()[0], abs=2)
    assert redis.smembers("processes") == {OTHER.encode()}
    assert not redis.exists("fastkiq:alive", f"{ME}:work", "fastkiq:machine:m")
    assert redis.exists(f"fastkiq:process:{ME}"), "the sweep needs its queues"
    assert run(beat(ME)) == run(claim(ME, [("mail", 1, 5)])) == b"FENCED"


def test_a_proved_death_needs_no_score(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    assert run(fence(ME)) == 1
    assert run(fence(OTHER)) == 0
    assert redis.zrange("fastkiq:tombs", 0, -1) == [ME.encode()]


@pytest.mark.parametrize("left", [None, flights(ME), flight(ME, "low", 0)])
def test_who_leaves_is_in_no_registry(run: Restricted, redis: redis_py.Redis, joined: None, left: str | None) -> None:
    redis.sadd("processes", ME)
    redis.hset(f"{ME}:work", "t", "job")
    if left:
        redis.execute_command("SADD" if left == flights(ME) else "LPUSH", left, "x")
    assert run(leave(ME, ["mail", "low"])) == (0 if left else 1)
    assert not redis.exists("fastkiq:alive", "fastkiq:machine:m", "processes", f"{ME}:work")
    age = redis.time()[0] - redis.zscore("fastkiq:tombs", ME)
    # A blocking move may still land: with nothing left the tomb is there too, and a day old in five minutes.
    assert age == pytest.approx(0 if left else 86_400 - 300, abs=2)
    assert redis.hget(f"fastkiq:process:{ME}", "queues") == b"mail low"


# Claims


def test_a_claim_takes_the_oldest_in_the_order_of_its_queues(
    run: Restricted, redis: redis_py.Redis, joined: None
) -> None:
    mail, low = jobs(5, "m"), jobs(5, "l")
    redis.lpush(QUEUE, *mail)
    redis.lpush("queue:low", *low)
    shares = [("low", 1, 3), ("mail", 2, 4)]
    assert run(claim(ME, shares, most=5)) == [0, [0, *low[:3]], [1, *mail[:2]]]
    assert oldest_first(redis, flight(ME, "low", 1)) == low[:3]
    assert oldest_first(redis, flight(ME, "mail", 2)) == mail[:2]
    assert redis.smembers(flights(ME)) == {b"low:1", b"mail:2"}
    assert oldest_first(redis, QUEUE) == mail[2:]
    assert run(claim(ME, [("mail", 3, 2), ("low", 4, 9)])) == [0, [0, *mail[2:4]], [1, *low[3:]]]
    assert redis.ttl(LIST) in (-2, -1)


def test_nothing_to_claim_leaves_nothing_behind(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    before = set(redis.keys())
    assert run(claim(ME, [("mail", 1, 5), ("low", 2, 0)])) == [0]
    assert set(redis.keys()) == before


def test_a_claim_passes_over_paused_queues(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    redis.lpush(QUEUE, "m")
    redis.lpush("queue:low", "l")
    redis.sadd("paused", "mail")
    assert run(claim(ME, [("mail", 1, 5), ("low", 2, 5)])) == [0, [1, b"l"]]
    assert oldest_first(redis, QUEUE) == [b"m"]
    redis.srem("paused", "mail")
    assert run(claim(ME, [("mail", 3, 5)])) == [0, [0, b"m"]]


def test_a_claim_passes_over_what_is_no_queue(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    redis.set(QUEUE, "not a list")
    redis.lpush("queue:low", "l")
    assert run(claim(ME, [("mail", 1, 5), ("low", 2, 5)])) == [0, [1, b"l"]]
    assert redis.get(QUEUE) == b"not a list"
    assert redis.smembers(flights(ME)) == {b"low:2"}


def test_a_claim_says_whether_suspects_exist(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    redis.hset("fastkiq:suspects", "x", "1:0:1")
    assert run(claim(ME, [("mail", 1, 5)])) == [1]


def test_a_claim_is_bounded_in_bytes_past_its_first_job(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    big = [b"a" * 60, b"b" * 30, b"c" * 30, b"d"]
    redis.lpush(QUEUE, *big)
    assert run(claim(ME, [("mail", 1, 9)], most_bytes=10)) == [0, [0, big[0]]]
    assert oldest_first(redis, QUEUE) == big[1:], "what was too much is back in its order"
    assert run(claim(ME, [("mail", 2, 9)], most_bytes=60)) == [0, [0, *big[1:3]]]
    assert oldest_first(redis, flight(ME, "mail", 2)) == big[1:3]


# Acks


def test_a_whole_list_is_acked_once(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    redis.lpush(QUEUE, *jobs(7))
    run(claim(ME, [("mail", 1, 5)]))
    run(claim(ME, [("mail", 2, 5)]))
    call = ack(ME, [("mail", 1, None)])
    assert [run(call), run(call)] == [5, 0]
    assert counts(redis) == (5, 0)
    assert not redis.exists(LIST)
    assert redis.smembers(flights(ME)) == {b"mail:2"}


def test_single_jobs_are_acked_once(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    redis.lpush(QUEUE, *jobs(4), b"again", b"again")
    run(claim(ME, [("mail", 1, 9)]))
    call = ack(ME, [("mail", 1, [b"j1", b"j3", b"again"]), ("low", 2, [b"j0"])])
    assert run(call) == 3, "one copy; and of the list that was named"
    assert oldest_first(redis, LIST) == [b"j0", b"j2", b"again"]
    assert run(ack(ME, [("mail", 1, [b"j1", b"j3"])])) == 0
    assert counts(redis) == (3, 0)
    assert redis.smembers(flights(ME)) == {b"mail:1"}
    assert run(ack(ME, [("mail", 1, None)])) == 3
    assert counts(redis) == (6, 0)
    assert not redis.exists(flights(ME))


def test_acks_clear_suspects_however_many(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    many = {f"s{number}": "1:1:1" for number in range(9_001)}
    redis.hset("fastkiq:suspects", mapping=many)
    assert run(ack(ME, [], suspects=list(many)[:9_000])) == 0
    assert redis.hkeys("fastkiq:suspects") == [b"s9000"]
    assert counts(redis) == (0, 0)


def test_jobs_of_basic_fetch_are_counted(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    assert run(ack(ME, [], loose=3)) == 3
    assert counts(redis) == (3, 0)


def test_the_daily_count_keeps_its_first_expiry(run: Restricted, redis: redis_py.Redis, joined: None) -> None:
    run(ack(ME, [], loose=1))
    redis.expire(STATS[1], 1000)
    run(ack(ME, [], loose=1))
    assert 0 < redis.ttl(STATS[1]) <= 1000
