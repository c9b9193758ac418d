"""A Ruby application moved to Python queue by queue, and back, as docs/sidekiq.md tells: nothing stops or is lost."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, ledger

Start = Callable[..., Child]


def sides(redis: redis_py.Redis, queue: str) -> set[str]:
    """Who has run jobs of a queue."""
    return {side for side, _, args in ledger(redis) if args[0].startswith(queue)}


def since(redis: redis_py.Redis, start: int, queue: str, jobs: int) -> set[str] | None:
    """Who has run the jobs of a queue from the ledger's entry `start` on, once there are so many."""
    fresh = [side for side, _, args in ledger(redis)[start:] if args[0].startswith(queue)]
    return set(fresh) if len(fresh) >= jobs else None


@pytest.mark.timeout(90)
def test_queue_by_queue_without_a_stop(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    before = ruby.serve("-q", "mail", "-q", "reports", "-c", "3", poll=0.2)
    with ThreadPoolExecutor(1) as pool:
        producing = pool.submit(ruby, "produce", count=120, seconds=0.1)
        wait_until(lambda: since(redis, 0, "mail", 10), 20, "Ruby at work")
        assert sides(redis, "mail") == sides(redis, "reports") == {"ruby"}

        # 1. Python beside Ruby: both serve the queue.
        python = worker_process(APP, "-q", "mail", "-c", "3")
        python.wait_for("ready")
        wait_until(lambda: "python" in sides(redis, "mail"), 20, "Python takes its share")

        # 2. Ruby's workers of now are followed by some without the queue.
        after = ruby.serve("-q", "reports", "-c", "3", poll=0.2)
        assert before.stop() == 0
        moved = len(ledger(redis))
        wait_until(lambda: since(redis, moved, "mail", 20), 20, "the queue's jobs")
        assert since(redis, moved, "mail", 20) == {"python"}
        assert since(redis, moved, "reports", 5) == {"ruby"}

        # 3. And back again, for whoever has doubts.
        again = ruby.serve("-q", "mail", "-c", "3", poll=0.2)
        python.signal(signal.SIGTERM)
        assert python.wait() == 0
        returned = len(ledger(redis))
        wait_until(lambda: since(redis, returned, "mail", 20), 20, "the queue's jobs")
        assert since(redis, returned, "mail", 20) == {"ruby"}
        pushed = producing.result(60)

    # 4. The producer moves as well: Ruby still runs what Python enqueues.
    jid = fastkiq.Client(redis_url).push("Echo", "reports", 1, queue="reports")
    wait_until(lambda: len(ledger(redis)) == pushed + 1, 20, "every job")
    runs = Counter((jid, json.dumps(args)) for _, jid, args in ledger(redis))
    assert set(runs.values()) == {1}
    assert ["ruby", jid, ["reports", 1]] in ledger(redis)
    assert not list(redis.scan_iter("queue:*"))
    assert redis.zcard("retry") == redis.zcard("dead") == redis.zcard("schedule") == 0
    assert again.stop() == after.stop() == 0
    assert int(redis.get("stat:processed")) == pushed + 1
    assert redis.get("stat:failed") in (None, b"0")


def test_a_class_that_is_not_moved_yet_is_not_lost(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """It waits in retry at no cost when Python takes it, and runs when Ruby does."""
    app = APP.replace('class Echo(fastkiq.Worker, name="Echo")', "class Else(fastkiq.Worker)")
    python = worker_process(app, "-q", "default")
    python.wait_for("ready")
    ruby("enqueue", rows=[["only Ruby has it"]])
    wait_until(lambda: redis.zcard("retry") == 3, 20, "the jobs of `default` wait")
    assert python.stop() == 0
    assert all(b'"retry_count"' not in member for member in redis.zrange("retry", 0, -1))
    running = ruby.serve("-q", "default", "-q", "other", poll=0.2)
    for member in redis.zrange("retry", 0, -1):
        redis.zadd("retry", {member: 1})
    wait_until(lambda: len(ledger(redis)) == 4, 20, "all of them")
    assert {side for side, _, _ in ledger(redis)} == {"ruby"}
    assert running.stop() == 0
