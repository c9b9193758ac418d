"""What is done to entries: exactly once, by whoever; to all that are wanted, and only to what was there; as stored."""

import threading
import time
from collections.abc import Callable

import pytest
import redis as redis_py

from api.kit import HOSTILE, JID, NOW, failed, fill, payload
from children import Child
from fastkiq import api
from fastkiq._core import splice
from fastkiq.config import Config
from fastkiq.errors import ArgumentError, RedisConnectionError, RedisError, RedisOutOfMemoryError
from fastkiq.job import Job
from proxy import Proxy
from readable import flaw, kept
from servers import Server, wait_until

Start = Callable[..., Child]
pytestmark = pytest.mark.both_servers

CHANGES = {"enqueued_at": None, "retry_count": None}


def same(one: bytes, other: bytes) -> bool:
    """But for what a return to a queue changes."""
    return splice(one, CHANGES) == splice(other, CHANGES)


def of(redis: redis_py.Redis, key: str) -> dict[bytes, float]:
    return dict(redis.zrange(key, 0, -1, withscores=True))


def test_retry(inspected: api.Redis, redis: redis_py.Redis) -> None:
    raw = failed(1, queue="mail", unheard={"a": [1.50, "\u2028"]}, retry_count=3)
    fill(redis, "retry", {raw: 5, failed(2): 6})
    jobs = api.RetrySet(inspected)
    first, _ = jobs
    assert first.retry()
    assert not first.retry()
    (queued,) = redis.lrange("queue:mail", 0, -1)
    assert same(queued, raw)
    job = Job.from_bytes(queued)
    assert job.retry_count == 2
    assert job.enqueued_at is not None
    assert abs(job.enqueued_at.timestamp() - time.time()) < 5
    assert redis.smembers("queues") == {b"mail"}
    assert of(redis, "retry") == {failed(2): 6}


def test_enqueue_and_kill_and_delete(inspected: api.Redis, redis: redis_py.Redis) -> None:
    members = fill(redis, "schedule", {payload(number): number for number in range(4)})
    zero, one, two, three = api.ScheduledSet(inspected)
    assert (zero.enqueue(), one.kill(), two.delete()) == (True, True, True)
    assert (zero.enqueue(), one.kill(), two.delete()) == (False, False, False)
    (queued,) = redis.lrange("queue:default", 0, -1)
    assert splice(queued, {"enqueued_at": None}) == zero.job.raw
    ((dead, score),) = of(redis, "dead").items()
    assert dead == one.job.raw
    assert abs(score - time.time()) < 5
    assert of(redis, "schedule") == {three.job.raw: members[three.job.raw]}


def test_a_list_of_entries(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number, queue=f"q{number % 300}"): number for number in range(1_000)})
    jobs = api.RetrySet(inspected)
    entries = list(jobs)
    redis.zrem("retry", *(entry.job.raw for entry in entries[:10]))
    outcome = jobs.act("retry", [*entries, *entries[:5]])
    assert (outcome.done, outcome.gone, outcome.refused) == (990, 15, 0)
    assert sum(queue.size for queue in api.queues(inspected)) == 990
    assert jobs.act("retry", []) == api.Outcome()
    with pytest.raises(ArgumentError, match="delete"):
        jobs.act("explode", entries)
    with pytest.raises(ArgumentError, match="delete"):
        jobs.sweep("explode")


def test_a_filter_without_a_condition_does_nothing_to_anything(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(1): 1.0})
    with pytest.raises(ArgumentError, match="None says so"):
        api.RetrySet(inspected).sweep("delete", api.Filter(group=""))
    assert redis.zcard("retry") == 1


def test_of_the_dead_the_latest_are_kept(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number): number for number in range(300)})
    fill(redis, "dead", {failed(number): NOW + number for number in range(1_000, 1_050)})
    redis.zadd("dead", {failed(1): 5})
    jobs = api.RetrySet(inspected)
    jobs.config = type(jobs.config)(dead_max_jobs=100)
    assert jobs.kill_all().done == 300
    assert redis.zcard("dead") == 99, "as Sidekiq counts"
    assert redis.zscore("dead", failed(299)) is not None


def test_what_no_job_can_be_made_of_stays(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "dead", HOSTILE)
    outcome = api.DeadSet(inspected).retry_all()
    assert outcome.refused == 8
    assert outcome.done + outcome.refused == len(HOSTILE)
    assert 1 < len(outcome.reasons) <= 5
    assert all("\n" not in reason and len(reason) < 250 for reason in outcome.reasons)
    for queue in api.Queue.all(inspected):
        assert all(job.jid and job.class_name and flaw(queue.key, job.raw) is None for job in queue)
    (entry, *_) = [entry for entry in api.DeadSet(inspected) if entry.job.raw == b"not JSON"]
    with pytest.raises(ArgumentError, match="only be deleted"):
        entry.retry()
    assert api.DeadSet(inspected).sweep("delete").outcome.done == outcome.refused
    assert not redis.exists("dead")


def test_hostile_entries_are_killed_and_deleted(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", HOSTILE)
    assert api.RetrySet(inspected).kill_all().done == len(HOSTILE)
    dead = redis.zrange("dead", 0, -1)
    assert len(dead) == len(HOSTILE)
    assert {raw: why for raw in dead if (why := flaw("dead", raw))} == {}, "no page of Sidekiq's trips over one"
    assert {kept(raw) for raw in dead} >= {b"not JSON", b"", b"\xff\xfe\x00", b"[1,2]"}
    assert all(entry.delete() for entry in api.DeadSet(inspected))


@pytest.mark.parametrize(("key", "what"), [("queue:default", "string"), ("queues", "string")])
def test_a_target_of_another_type(key: str, what: str, inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.set(key, what)
    fill(redis, "retry", {failed(1): 5})
    (entry,) = api.RetrySet(inspected)
    with pytest.raises(ArgumentError, match="something else"):
        entry.retry()
    assert of(redis, "retry") == {failed(1): 5}
    redis.set("dead", "x")
    assert api.RetrySet(inspected).kill_all().refused == 1
    assert of(redis, "retry") == {failed(1): 5}


@pytest.mark.parametrize("action", ["retry", "kill", "delete"])
def test_two_sweep_one_set(action: str, inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number): NOW + number // 500 for number in range(4_000)})
    sweeps: list[api.Sweep] = []
    threads = [threading.Thread(target=lambda: sweeps.append(api.RetrySet(inspected).sweep(action))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(sweep.outcome.done for sweep in sweeps) == 4_000
    assert all(sweep.cursor is None and sweep.outcome.refused == 0 for sweep in sweeps)
    assert not redis.exists("retry")
    target = {"retry": redis.lrange("queue:default", 0, -1), "kill": redis.zrange("dead", 0, -1), "delete": []}[action]
    assert len({Job.from_bytes(raw).jid for raw in target}) == len(target) == (0 if action == "delete" else 4_000)


def test_a_sweep_by_filter_passes_over_what_stays(inspected: api.Redis, redis: redis_py.Redis) -> None:
    """Ties, of which some are not wanted and some are refused."""
    kinds = {0: {"class": "Easy"}, 1: {"queue": "no queue"}, 2: {}}
    members = {failed(number, **kinds[number % 3]): NOW for number in range(3_000)}
    fill(redis, "retry", members)
    sweep = api.RetrySet(inspected).sweep("retry", api.Filter(class_name="Hard"))
    assert (sweep.outcome.done, sweep.outcome.refused, sweep.cursor) == (1_000, 1_000, None)
    assert redis.zcard("retry") == 2_000
    assert redis.llen("queue:default") == 1_000


@pytest.mark.parametrize("long", [False, True])
def test_a_sweep_goes_on_where_it_was(long: bool, inspected: api.Redis, redis: redis_py.Redis) -> None:
    """Of one score, half of them refused; `long`: they begin alike, for longer than a cursor may be."""
    alike = {"args": ["".join(map(str, range(3_000)))]} if long else {}
    count = 2_000
    fill(redis, "retry", {failed(n, **alike, queue="no queue" if n % 2 else "q"): NOW for n in range(count)})
    jobs = api.RetrySet(inspected)
    sweep = jobs.sweep("retry", seconds=0)
    parts = [sweep]
    while sweep.cursor is not None:
        # A new failure of an old job while nobody sweeps is not its business.
        redis.zadd("retry", {failed(count + len(parts), failed_at=int(time.time() * 1000) + 1_000): NOW})
        sweep = jobs.sweep("retry", cursor=sweep.cursor, before=sweep.before, seconds=0)
        parts.append(sweep)
        assert len(parts) < 100
    assert len(parts) > 1
    assert sum(part.outcome.done for part in parts) == redis.llen("queue:q") == count / 2
    # Where a place is a count, what comes in before it shows one that stays a second time.
    refused = sum(part.outcome.refused for part in parts)
    assert count / 2 <= refused <= count / 2 + (len(parts) if long else 0)
    assert len({Job.from_bytes(raw).jid for raw in redis.lrange("queue:q", 0, -1)}) == count / 2


def test_what_has_come_since_is_left_alone(inspected: api.Redis, redis: redis_py.Redis) -> None:
    old, new = failed(1), failed(2, failed_at=int(time.time() * 1000) + 60_000)
    fill(redis, "retry", {old: 5, new: 6})
    sweep = api.RetrySet(inspected).sweep("delete")
    assert sweep.outcome.done == 1
    assert abs(sweep.before - time.time()) < 5
    assert of(redis, "retry") == {new: 6}
    assert api.RetrySet(inspected).sweep("delete", before=time.time() + 120).outcome.done == 1


FAILS = """
    import fastkiq

    class Fails(fastkiq.Worker, name="Fails", retry=25):
        @classmethod
        def retry_in(cls, count, error, job):
            return 300

        def perform(self, number):
            raise ValueError("boom")
"""


def test_a_sweep_ends_though_jobs_fail_again_at_once(
    inspected: api.Redis, redis: redis_py.Redis, worker_process: Start
) -> None:
    members = {failed(number, **{"class": "Fails"}, retry_count=5): NOW * 2 for number in range(1_000)}
    fill(redis, "retry", members)
    worker = worker_process(FAILS)
    worker.wait_for("ready")
    sweep = api.RetrySet(inspected).sweep("retry")
    assert (sweep.outcome.done, sweep.outcome.refused) == (1_000, 0)
    wait_until(lambda: redis.zcard("retry") == 1_000, 30, "each to have failed once more")
    assert worker.stop() == 0
    jobs = [Job.from_bytes(raw) for raw in redis.zrange("retry", 0, -1)]
    assert {job.retry_count for job in jobs} == {5}, "one less for the retry by hand, one more for the failure"
    assert {job.jid for job in jobs} == {JID.format(number) for number in range(1_000)}
    assert redis.get("stat:failed") == b"1000"


NOTES = """
    import fastkiq
    from fastkiq.client import default

    class Notes(fastkiq.Worker, name="Notes"):
        def perform(self, number):
            default().core.command("RPUSH", "ledger", str(number))
"""


def test_beside_the_scheduler_of_a_worker_each_runs_once(
    inspected: api.Redis, redis: redis_py.Redis, worker_process: Start
) -> None:
    """All are due: the worker moves them while they are retried, enqueued and deleted by hand."""
    fill(redis, "retry", {failed(number, **{"class": "Notes"}): NOW for number in range(2_000)})
    fill(redis, "schedule", {payload(number, **{"class": "Notes"}): NOW for number in range(2_000, 4_000)})
    worker = worker_process(NOTES)
    outcome = api.RetrySet(inspected).retry_all()
    outcome.add(api.ScheduledSet(inspected).enqueue_all())
    wait_until(lambda: redis.llen("ledger") >= 4_000, 30, "all to run")
    assert worker.stop() == 0
    assert sorted(map(int, redis.lrange("ledger", 0, -1))) == list(range(4_000))
    assert outcome.done + outcome.gone <= 4_000
    assert redis.get("stat:processed") == b"4000"


def test_a_lost_reply_is_told_and_nothing_is_done_twice(
    redis: redis_py.Redis, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(redis, "retry", {failed(number): number for number in range(3)})
    own = api.connect(Config(redis_timeout=0.5), url=proxy.url)
    jobs = api.RetrySet(own)
    zero, one, _ = jobs
    assert zero.delete(), "from now on Redis knows the script"
    monkeypatch.setattr(own, "time", redis.time)
    proxy.lose_replies()
    with pytest.raises(RedisConnectionError):
        one.retry()
    proxy.lose_replies(False)
    wait_until(lambda: redis.llen("queue:default") == 1, 5, "it was done")
    assert not one.retry()
    assert redis.llen("queue:default") == 1
    assert jobs.size == 1


def test_a_full_redis_lets_go(start_server: Callable[..., Server]) -> None:
    server = start_server("maxmemory-policy noeviction")
    redis, inspected = server.client(), api.connect(url=server.url)
    fill(redis, "retry", {failed(number): number for number in range(600)})
    fill(redis, "schedule", {payload(number): number for number in range(3)})
    jobs = api.RetrySet(inspected)
    entries = list(jobs)
    (scheduled, *_) = api.ScheduledSet(inspected)
    redis.config_set("maxmemory", 1)
    with pytest.raises(RedisOutOfMemoryError):
        inspected.lpush("anything", "more")
    assert entries[0].retry()
    assert entries[1].kill()
    assert entries[2].delete()
    assert entries[3].reschedule(7)
    assert scheduled.enqueue()
    assert jobs.sweep("retry", api.Filter(class_name="Hard")).outcome.done == 597
    assert redis.llen("queue:default") == 599
    assert api.Queue("default", inspected).clear() == 599
    assert api.DeadSet(inspected).clear() == 1
    redis.close()


@pytest.mark.parametrize(("action", "denied"), [("retry", "lpush"), ("kill", "zadd")])
def test_who_may_take_out_and_not_put_in_loses_nothing(
    redis: redis_py.Redis, redis_url: str, action: str, denied: str
) -> None:
    # `zadd` is denied for the dead jobs alone: where it is denied for the retries too, nothing can be put back.
    raw = failed(1, queue="mail")
    fill(redis, "retry", {raw: 5.25})
    rules = ["+@all", "-lpush"] if denied == "lpush" else ["+@all"]
    keys = ["*"] if denied == "lpush" else ["retry", "queues", "queue:*"]
    redis.acl_setuser("taker", enabled=True, passwords=["+hunter2"], keys=keys, commands=rules)
    try:
        taker = api.connect(url=redis_url.replace("redis://", "redis://taker:hunter2@"))
        with pytest.raises(RedisError):
            api.RetrySet(taker).act(action, list(api.RetrySet(taker)))
        assert of(redis, "retry") == {raw: 5.25}
    finally:
        redis.acl_deluser("taker")
