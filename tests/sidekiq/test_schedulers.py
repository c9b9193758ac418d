"""Ruby's scheduler and fastkiq's over the same sets: whoever is first moves a job, and nobody moves it again."""

import json
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import redis as redis_py

from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, ledger

Start = Callable[..., Child]

JOBS = 10_000
WAVE = 1_000
LATER = 4_000_000_000.0


def test_each_due_job_runs_once(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """Waves of jobs fall due unannounced: Ruby moves them one by one, fastkiq by the hundred."""
    jids = ruby("due", numbers=list(range(2 * JOBS)), at=LATER)
    waiting = redis.zrange("schedule", 0, -1)
    assert len(jids) == len(waiting) == 2 * JOBS
    worker_process(APP, "-c", "5").wait_for("ready")
    ruby.serve("-c", "5", poll=0.05, mark=True)

    def movers() -> Counter[str]:
        return Counter(json.loads(entry)[0] for entry in redis.lrange("moved", 0, -1))

    due = 0
    while due < JOBS or (due < 2 * JOBS and len(movers()) < 2):  # luck may give one side all of the first waves
        redis.zadd("schedule", dict.fromkeys(waiting[due : due + WAVE], time.time() - 1))
        due += WAVE
        wait_until(lambda: redis.llen("ledger") >= due, 30, f"{due} jobs to be run")  # noqa: B023
    ran = ledger(redis)
    wave = {json.loads(member)["jid"] for member in waiting[:due]}
    assert sorted(jid for _, jid, _ in ran) == sorted(wave)
    assert movers().keys() == {"ruby", "python"}
    assert {side for side, _, _ in ran} == {"ruby", "python"}
    assert {json.loads(entry)[1] for entry in redis.lrange("moved", 0, -1)} == {"é"}, "unknown fields survive both"
    assert redis.zcard("schedule") == 2 * JOBS - due
    assert redis.llen("queue:default") == 0


RUBY_ALONE = 2.5 + 5 / 24
"""Seconds until Ruby's next look on average, at any moment: it looks each 2.5 to 7.5 s when it is the only process."""


def looks(redis: redis_py.Redis, seconds: float) -> tuple[list[float], set[str]]:
    """When somebody looked for due retries in so many seconds, between their beginning and their end, and who did."""
    times = [time.time()]
    sides = set()
    until = time.monotonic() + seconds
    with redis.monitor() as monitor:
        while time.monotonic() < until:
            told = monitor.next_command()
            match told["command"].split()[:2]:
                case ["ZRANGEBYSCORE", "retry"]:
                    sides.add("python")
                case ["zrange", "retry"]:
                    sides.add("ruby")
                case _:
                    continue
            times.append(told["time"])
    return [*times, time.time()], sides


def test_due_jobs_wait_no_longer_with_fastkiq_beside_ruby(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis
) -> None:
    """Each process that Ruby knows of slows its own looks down; fastkiq's make up for it, at either pace of its own."""
    ruby.serve()  # looks for the first time after 10 to 15 s
    seen = set()
    for settings, most, seconds in (("", 1.0, 6), ("poll_interval_average=2", 3.0, 10)):
        child = worker_process(f"import fastkiq\nfastkiq.configure({settings})\n")
        wait_until(lambda: redis.scard("processes") == 2, 15, "both to be known")
        times, sides = looks(redis, seconds)
        seen |= sides
        assert child.stop() == 0
        gaps = [after - before for before, after in pairwise(times)]
        assert max(gaps) < most + 0.5, "half a second for a busy machine"
        wait = sum(gap**2 for gap in gaps) / 2 / sum(gaps)
        assert wait < RUBY_ALONE, "the time until the next look, at any moment"
    assert seen == {"ruby", "python"}
