"""Ruby's scheduler and fastkiq's over the same sets: whoever is first moves a job, and nobody moves it again."""

import json
import time
from collections import Counter
from collections.abc import Callable

import redis as redis_py

from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, ledger

Start = Callable[..., Child]

JOBS = 2_000
WAVE = 250
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
