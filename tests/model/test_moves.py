"""The scripts that move jobs on: settle, give_back, rescue, due and move; see test_scripts.py for the others."""

import pytest
import redis as redis_py

from model.calls import STATS, ack, claim, due, fence, flights, give_back, move, rescue, settle
from model.kit import LIST, ME, QUEUE, Restricted, counts, jobs, joined, oldest_first, run, unmarked

pytestmark = pytest.mark.both_servers
__all__ = ["joined", "run"]


# What became of a job


@pytest.mark.parametrize(("counted", "expected"), [(1, (1, 1)), (0, (1, 0)), (-1, (0, 0))])
@pytest.mark.parametrize(("mode", "where"), [("in", "retry"), ("at", "schedule"), ("dead", "dead"), ("drop", "dead")])
def test_a_job_is_settled_once(
    run: Restricted, redis: redis_py.Redis, mode: str, where: str, counted: int, expected: tuple[int, int]
) -> None:
    redis.lpush(LIST, *jobs(3))
    redis.hset("fastkiq:suspects", mapping={"jid1": "1:1:1", "other": "1:0:1"})
    call = settle(LIST, b"j1", where, stored=b"new", mode=mode, when=60.5, counted=counted, suspect="jid1")
    assert [run(call), run(call)] == [1, 0]
    assert oldest_first(redis, LIST) == [b"j0", b"j2"]
    assert redis.hkeys("fastkiq:suspects") == [b"other"]
    assert counts(redis) == expected
    now = redis.time()[0]
    score = {"in": now + 60.5, "at": 60.5, "dead": now, "drop": None}[mode]
    stored = redis.zrange(where, 0, -1, withscores=True)
    assert [job for job, _ in stored] == ([] if mode == "drop" else [b"new"])
    if score is not None:
        assert stored[0][1] == pytest.approx(score, abs=2)


def test_settling_what_is_not_there_changes_nothing(run: Restricted, redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:suspects", "jid", "1:1:1")
    before = set(redis.keys())
    assert run(settle(LIST, b"job", "retry", stored=b"new", suspect="jid")) == 0
    assert set(redis.keys()) == before
    assert redis.hget("fastkiq:suspects", "jid") == b"1:1:1"


@pytest.mark.parametrize("mode", ["in", "at", "dead"])
def test_a_set_of_a_wrong_type_loses_no_job(run: Restricted, redis: redis_py.Redis, mode: str) -> None:
    redis.lpush(LIST, "job")
    redis.set("retry", "not a set")
    call = settle(LIST, b"job", "retry", stored=b"new", mode=mode)
    with pytest.raises(redis_py.ResponseError, match="retry is no sorted set: the job stays"):
        run(call)
    assert oldest_first(redis, LIST) == [b"job"]
    assert counts(redis) == (0, 0)
    redis.delete("retry")
    assert run(call) == 1


def test_the_dead_set_is_bounded_in_number_and_age(run: Restricted, redis: redis_py.Redis) -> None:
    now = redis.time()[0]
    redis.zadd("dead", {f"d{age}": now - age for age in (5, 4, 3, 2, 1, 500)})
    redis.lpush(LIST, *jobs(2))
    run(settle(LIST, b"j0", "dead", stored=b"n0", mode="dead", bound=100, age=100))
    assert redis.zrange("dead", 0, -1) == [b"d5", b"d4", b"d3", b"d2", b"d1", b"n0"]
    run(settle(LIST, b"j1", "dead", stored=b"n1", mode="dead", bound=4, age=100))
    assert redis.zrange("dead", 0, -1) == [b"d1", b"n0", b"n1"], "one less than the bound, as Sidekiq keeps"


def test_a_job_of_basic_fetch_is_settled_without_a_flight(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(settle("fastkiq:none", b"job", "retry", stored=b"new", basic=True)) == 1
    assert redis.zrange("retry", 0, -1) == [b"new"]


# Back to the queue: give_back and rescue


@pytest.mark.parametrize("together", [True, False])
def test_what_is_given_back_is_in_front_in_its_order(
    run: Restricted, redis: redis_py.Redis, joined: None, together: bool
) -> None:
    redis.lpush(QUEUE, *jobs(6))
    run(claim(ME, [("mail", 1, 4)]))
    newest_first = [(job, "") for job in reversed(jobs(4))]
    for part in [newest_first] if together else [newest_first[:2], newest_first[2:]]:
        call = give_back(LIST, "mail", part)
        assert [run(call), run(call)] == [len(part), 0]
    assert oldest_first(redis, QUEUE) == jobs(6)
    assert redis.smembers("queues") == {b"mail"}
    assert counts(redis) == (0, 0)


def test_a_stop_counts_what_it_gives_back_and_is_no_death(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(LIST, *jobs(3))
    redis.hset("fastkiq:suspects", mapping={"a": "2:1:77", "b": "1:0:78"})
    call = give_back(LIST, "mail", [(b"j2", "a"), (b"j1", "b"), (b"j0", "unmarked"), (b"gone", "b")], counted=True)
    assert [run(call), run(call)] == [3, 0]
    assert redis.hgetall("fastkiq:suspects") == {b"a": b"2:0:77", b"b": b"1:0:78"}
    assert counts(redis) == (3, 3)


def test_a_queue_of_a_wrong_type_is_given_nothing(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(LIST, *jobs(2))
    redis.set(QUEUE, "not a list")
    with pytest.raises(redis_py.ResponseError, match="queue:mail is no list: the jobs stay"):
        run(give_back(LIST, "mail", [(b"j1", ""), (b"j0", "")]))
    assert oldest_first(redis, LIST) == jobs(2)


def test_a_job_of_basic_fetch_is_given_back_from_nowhere(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(give_back("fastkiq:none", "mail", [(b"job", "")], basic=True)) == 1
    assert oldest_first(redis, QUEUE) == [b"job"]


def test_a_rescue_in_chunks_restores_the_front_of_the_queue(
    run: Restricted, redis: redis_py.Redis, joined: None
) -> None:
    redis.lpush(QUEUE, *jobs(6))
    run(claim(ME, [("mail", 1, 4)]))
    assert run(rescue(ME, "mail", 1, unmarked(b"j3", b"j2"))) == [0, 0, 0], "it lives"
    run(fence(ME))
    first = rescue(ME, "mail", 1, unmarked(b"j3", b"j2"))
    assert [run(first), run(first)] == [[2, 0, 0], [0, 0, 2]], "again: the marks are no longer those that were read"
    assert redis.smembers(flights(ME)) == {b"mail:1"}
    assert run(rescue(ME, "mail", 1, unmarked(b"j1", b"j0"))) == [2, 0, 0]
    assert oldest_first(redis, QUEUE) == jobs(6)
    assert not redis.exists(LIST, flights(ME))
    assert redis.hgetall("fastkiq:suspects") == {f"jid-j{n}".encode(): b"1:0:5" for n in range(4)}
    assert redis.smembers("queues") == {b"mail"}


def test_a_rescue_leaves_jobs_whose_mark_has_changed(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(LIST, *jobs(2))
    redis.hset("fastkiq:suspects", "jid-j1", "1:1:3")
    assert run(rescue(ME, "mail", 1, unmarked(b"j1", b"j0"))) == [1, 0, 1]
    assert oldest_first(redis, LIST) == [b"j1"]
    assert redis.hget("fastkiq:suspects", "jid-j1") == b"1:1:3"
    assert run(rescue(ME, "mail", 1, [(b"j1", "jid-j1", "1:1:3", "2:0:3", b"")])) == [1, 0, 0]
    assert redis.hget("fastkiq:suspects", "jid-j1") == b"2:0:3"


def test_a_poison_pill_goes_to_dead_and_is_suspect_no_longer(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(LIST, *jobs(2))
    redis.hset("fastkiq:suspects", "jid", "2:1:3")
    redis.zadd("dead", {"old": 1, "d1": redis.time()[0] - 1})
    call = rescue(ME, "mail", 1, [(b"j1", "jid", "2:1:3", "3:0:3", b"corpse"), *unmarked(b"j0")], bound=3, age=1000)
    assert run(call) == [1, 1, 0]
    assert redis.zrange("dead", 0, -1) == [b"d1", b"corpse"]
    assert redis.hkeys("fastkiq:suspects") == [b"jid-j0"]
    assert oldest_first(redis, QUEUE) == [b"j0"]


def test_a_rescue_to_what_is_no_queue_goes_to_dead(run: Restricted, redis: redis_py.Redis) -> None:
    redis.lpush(LIST, *jobs(2))
    redis.set(QUEUE, "not a list")
    redis.set("dead", "not a set")
    with pytest.raises(redis_py.ResponseError, match="dead is no sorted set: 2 jobs stay in their flight"):
        run(rescue(ME, "mail", 1, unmarked(b"j1", b"j0")))
    assert oldest_first(redis, LIST) == jobs(2)
    redis.delete("dead")
    assert run(rescue(ME, "mail", 1, unmarked(b"j1", b"j0"))) == [0, 2, 0]
    assert set(redis.zrange("dead", 0, -1)) == set(jobs(2))


@pytest.mark.parametrize("key", STATS)
def test_a_count_of_a_wrong_type_holds_up_no_job(
    run: Restricted, redis: redis_py.Redis, joined: None, key: str
) -> None:
    redis.lpush(QUEUE, *jobs(4))
    run(claim(ME, [("mail", 1, 4)]))
    redis.lpush(key, "not a number")
    assert run(settle(LIST, b"j0", "retry", stored=b"new")) == 1
    assert run(give_back(LIST, "mail", [(b"j1", "")], counted=True)) == 1
    assert run(ack(ME, [("mail", 1, [b"j2"])])) == 1
    assert run(ack(ME, [("mail", 1, None)])) == 1
    assert redis.lrange(key, 0, -1) == [b"not a number"]
    assert redis.zrange("retry", 0, -1) == [b"new"]
    assert not redis.exists(LIST, flights(ME))


# What is due


def test_a_look_shows_what_is_due_and_when_more_will_be(run: Restricted, redis: redis_py.Redis) -> None:
    now = redis.time()[0]
    redis.zadd("schedule", {"a": now - 3, "b": now - 2, "c": now - 1, "later": now + 60.25, "much later": now + 90})
    seconds, _, schedule, retry, next_schedule, next_retry, *rest = run(due(2))
    assert (schedule, retry, float(next_schedule), next_retry) == ([b"a", b"b"], [], now + 60.25, b"")
    assert rest == [b""]
    assert abs(seconds - now) <= 2
    assert run(due(9, most_bytes=0))[2] == [b"a"]
    assert run(due(9, most_bytes=2))[2] == [b"a", b"b"]
    assert redis.zcard("schedule") == 5
    redis.set("retry", "no sorted set")
    assert run(due(1))[2:] == [[b"a"], [], next_schedule, b"", b"retry"]


def test_due_jobs_move_once_whoever_tries(run: Restricted, redis: redis_py.Redis) -> None:
    redis.zadd("schedule", {"a": 1, "b": 2, "c": 3, "bad": 4})
    rows = [(b"a", b"a+", "mail"), (b"b", b"b+", "low"), (b"c", b"c+", "mail"), (b"bad", b"", "")]
    assert run(move("schedule", rows)) == [3, 1]
    assert run(move("schedule", rows)) == [0, 0]
    assert oldest_first(redis, QUEUE) == [b"a+", b"c+"]
    assert oldest_first(redis, "queue:low") == [b"b+"]
    assert redis.zrange("dead", 0, -1) == [b"bad"]
    assert redis.smembers("queues") == {b"mail", b"low"}
    assert not redis.exists("schedule")


def test_a_due_job_whose_queue_is_no_list_goes_to_dead(run: Restricted, redis: redis_py.Redis) -> None:
    redis.zadd("retry", {"a": 1, "b": 2, "c": 3})
    redis.hset(QUEUE, "not", "a list")
    redis.set("dead", "not a set")
    rows = [(b"a", b"a+", "low"), (b"b", b"b+", "mail"), (b"c", b"c+", "low")]
    with pytest.raises(redis_py.ResponseError, match="dead is no sorted set: 1 entries stay"):
        run(move("retry", rows))
    assert redis.zrange("retry", 0, -1) == [b"b"]
    assert oldest_first(redis, "queue:low") == [b"a+", b"c+"], "the others are moved"
    redis.delete("dead")
    assert run(move("retry", rows)) == [0, 1]
    assert redis.zrange("dead", 0, -1) == [b"b"]
    assert redis.hgetall(QUEUE) == {b"not": b"a list"}
