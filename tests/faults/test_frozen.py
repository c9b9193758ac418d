"""Processes that stand still: dead when the whole process does, and never for a job that holds the interpreter."""

import signal
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from faults.kit import hide_machine
from faults.lab.books import settle
from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.results import record
from faults.lab.scale import scaled
from servers import wait_until

NewCrew = Callable[..., Crew]


def counts(redis: redis_py.Redis) -> tuple[object, ...]:
    return (redis.get("stat:processed"), redis.get("stat:failed"), redis.zcard("retry"), redis.zcard("dead"))


@pytest.mark.timeout(240)
def test_a_frozen_process_wakes_up_fenced(crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger) -> None:
    """Longer than its lease: let go, it starts nothing it had prefetched, and its late words change nothing."""
    rounds = scaled(1, 15)
    client = fastkiq.Client(redis_url)
    workers = crew(redis_url, "-c", "4")
    other = workers.start()
    jobs: set[int] = set()
    for _ in range(rounds):
        frozen = workers.start()
        workers.ready()
        other.signal(signal.SIGSTOP)  # for a moment, so that the one to be frozen gets the jobs
        base = len(jobs)
        rows = [(base + number, 0.4) for number in range(8)]
        client.push_bulk("app.Work", rows[:2])
        client.push_bulk("app.AsyncWork", rows[2:4])
        client.push_bulk("app.Flaky", rows[4:6])
        client.push_bulk("app.Work", rows[6:])
        client.push_bulk("app.Work", [(base + number, 0.001) for number in range(8, 60)])
        jobs |= set(range(base, base + 60))
        wait_until(lambda: len(ledger.read().running()) >= 4, 10, "four begun")
        frozen.signal(signal.SIGSTOP)
        other.signal(signal.SIGCONT)
        hide_machine(redis)
        other.child.wait_for("lease ran out", 15)
        settle(redis, ledger, jobs, 20)
        before = counts(redis)
        woken = time.monotonic_ns()
        frozen.signal(signal.SIGCONT)
        frozen.child.wait_for("was taken for dead", 10)
        wait_until(lambda: redis.zcard("fastkiq:alive") == 2, 5, "both alive")
        client.push("app.Work", base + 60, 0)
        jobs.add(base + 60)
        wait_until(lambda base=base: base + 60 in ledger.read().ended, 10, "a job that came after")
        late = [run for run in ledger.all_runs() if run.worker == frozen.name and run.begun > woken]
        assert all(run.job == base + 60 for run in late), "it started what it had prefetched before"
        frozen.stop()
        workers.dismiss(frozen)
        processed, *others = counts(redis)
        assert others == list(before[1:]), "late words changed what others hold"
        assert int(processed or 0) == int(before[0] or 0) + 1
    found = settle(redis, ledger, jobs)
    workers.stop()
    record(
        "SIGSTOP for longer than the lease, then SIGCONT",
        faults=rounds,
        jobs=found.jobs,
        lost=len(found.lost),
        twice=len(ledger.repeated()),
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("hogs", [1, 25])
def test_jobs_that_hold_the_interpreter_are_not_taken_away(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger, hogs: int
) -> None:
    """One call into C for three minutes, or some seconds, with a lease of 2 s: the process stays alive."""
    seconds = scaled(4.0, 180.0)
    workers = crew(redis_url, "-c", str(hogs))
    hogging = workers.start()
    workers.ready()
    # Each holds the interpreter for its share, one after another: together as long as one alone.
    fastkiq.Client(redis_url).push_bulk("app.Hog", [(number, seconds / hogs) for number in range(hogs)])
    wait_until(lambda: len(ledger.read().running()) >= 1, 20, "begun")
    other = workers.start()
    other.child.wait_for("ready")
    hide_machine(redis)
    oldest = 0.0

    def through() -> bool:
        nonlocal oldest
        now = redis.time()
        scores = [score for name, score in redis.zrange("fastkiq:alive", 0, -1, withscores=True)]
        assert len(scores) == redis.scard("processes") == 2
        oldest = max(oldest, now[0] + now[1] / 1e6 - min(scores))
        time.sleep(0.05)
        return len(ledger.read().ended) == hogs

    wait_until(through, seconds + 60, "all hogs")
    for output in (hogging.child.output(), other.child.output()):
        assert "ran out" not in output
        assert "taken for dead" not in output
    assert not ledger.repeated()
    settle(redis, ledger, set(range(hogs)))
    workers.stop()
    record(
        f"{hogs} job{'s' if hogs > 1 else ''} holding the interpreter for {seconds:g} s",
        faults=hogs,
        jobs=hogs,
        lost=0,
        twice=0,
        oldest_beat_s=oldest,
    )
