"""A full Redis (noeviction) refuses what takes memory, yet it can be drained, since each script frees some first."""

from collections.abc import Callable, Iterator

import pytest
import redis as redis_py

from model.calls import ack, beat, claim, due, fence, flight, flights, give_back, join, leave, move, rescue, settle
from model.kit import LIST, ME, OTHER, QUEUE, Restricted, counts, jobs, oldest_first, unmarked
from servers import Server

pytestmark = pytest.mark.both_servers


@pytest.fixture
def own(start_server: Callable[..., Server]) -> Server:
    return start_server("maxmemory-policy noeviction")


@pytest.fixture
def redis(own: Server) -> Iterator[redis_py.Redis]:
    with own.client() as client:
        yield client


@pytest.fixture
def run(own: Server, redis: redis_py.Redis) -> Iterator[Restricted]:
    with Restricted(own) as run:
        run(join(ME, ["mail"]))
        run(join(OTHER, ["mail"]))
        redis.lpush(QUEUE, *jobs(9))
        run(claim(ME, [("mail", 1, 6)]))
        redis.zadd("schedule", {"due": 1})
        redis.config_set("maxmemory", 1)
        with pytest.raises(redis_py.exceptions.OutOfMemoryError):
            redis.lpush("anything", "more")
        yield run


def test_a_worker_comes_in_beats_and_leaves(run: Restricted, redis: redis_py.Redis) -> None:
    third = "vm:3:ef"
    run(join(third, ["mail"]))
    assert len(run(beat(third))) == 2
    assert run(leave(third, ["mail"])) == 1
    assert redis.zscore("fastkiq:alive", third) is None


def test_jobs_are_claimed_and_acked(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(claim(OTHER, [("mail", 2, 2)])) == [0, [0, b"j6", b"j7"]]
    assert run(ack(ME, [("mail", 1, [b"j1"])])) == 1
    assert run(ack(ME, [("mail", 1, None)])) == 5
    assert run(ack(OTHER, [("mail", 2, None)], suspects=["x"])) == 2
    assert run(ack(OTHER, [], loose=1)) == 1
    assert counts(redis) == (9, 0)
    assert not redis.exists(LIST, flights(ME), flight(OTHER, "mail", 2))


@pytest.mark.parametrize("basic", [False, True])
@pytest.mark.parametrize(("mode", "where"), [("in", "retry"), ("at", "schedule"), ("dead", "dead"), ("drop", "dead")])
def test_jobs_are_settled(run: Restricted, redis: redis_py.Redis, mode: str, where: str, basic: bool) -> None:
    source = "fastkiq:none" if basic else LIST
    assert run(settle(source, b"j1", where, stored=b"n" * 5_000, mode=mode, basic=basic)) == 1
    assert (redis.zscore(where, b"n" * 5_000) is not None) == (mode != "drop")
    assert counts(redis) == (1, 1)


@pytest.mark.parametrize("basic", [False, True])
def test_jobs_go_back(run: Restricted, redis: redis_py.Redis, basic: bool) -> None:
    source = "fastkiq:none" if basic else LIST
    assert run(give_back(source, "mail", [(b"j5", "a"), (b"j4", "")], counted=True, basic=basic)) == 2
    assert oldest_first(redis, QUEUE)[:2] == [b"j4", b"j5"]
    assert counts(redis) == (2, 2)


def test_the_dead_are_buried_and_their_jobs_rescued(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(fence(ME)) == 1
    rows = [(b"j5", "jid", "", "3:0:1", b"corpse"), *unmarked(b"j4", b"j3", b"j2", b"j1", b"j0")]
    assert run(rescue(ME, "mail", 1, rows)) == [5, 1, 0]
    assert oldest_first(redis, QUEUE) == [b"j0", b"j1", b"j2", b"j3", b"j4", b"j6", b"j7", b"j8"]
    assert redis.zrange("dead", 0, -1) == [b"corpse"]


def test_due_jobs_move(run: Restricted, redis: redis_py.Redis) -> None:
    assert run(due())[2] == [b"due"]
    assert run(move("schedule", [(b"due", b"due+", "low")])) == [1, 0]
    assert oldest_first(redis, "queue:low") == [b"due+"]
