"""Deploys under load: TERM again and again, with jobs that outlast the timeout."""

import random
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import account, leftovers, numbers_of
from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from servers import wait_until

NewCrew = Callable[..., Crew]
TIMEOUT = scaled(1, 3)
THREADS = scaled(8, 25)


@pytest.mark.timeout(800)
def test_deploys_under_load(crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger) -> None:
    """The process ends within its timeout and 3.5 s; what it interrupted is in front, counted as by Sidekiq."""
    chance = dice("deploys")
    every, deploys, longest = scaled((1.0, 2, 2.5), (5.0, 20, 40.0))
    # A long job of three in each round: no more of them than the threads can end while the last process has them.
    pause = scaled(0.1, 0.6)
    client = fastkiq.Client(redis_url)
    workers = crew(redis_url, "-c", str(THREADS), "-t", str(TIMEOUT))
    jobs: set[int] = set()
    ends: list[float] = []
    interrupted = 0
    current = workers.start()
    workers.ready()
    for _ in range(deploys):
        until = time.monotonic() + every
        while time.monotonic() < until:
            jobs |= push(client, chance, len(jobs), longest)
            time.sleep(pause)
        successor = workers.start()
        successor.child.wait_for("ready")
        started = time.monotonic()
        code = current.stop()
        ends.append(time.monotonic() - started)
        assert code == 0, current.child.output()
        interrupted += sum(run.worker == current.name for run in ledger.read().running())
        workers.dismiss(current)
        current = successor
        account(redis, ledger, jobs).assert_sound()
    wait_until(lambda: jobs <= ledger.read().ended, 3 * longest + 30, "all jobs")
    # The last one has nobody to take over: what it gives back can be looked at.
    last = list(range(len(jobs), len(jobs) + THREADS + 4))
    client.push_bulk("app.Patient", [(number, 60) for number in last], queue="critical")
    wait_until(lambda: len(ledger.read().running()) - interrupted == THREADS, 10, "all threads busy")
    counts = {name: int(redis.get(f"stat:{name}") or 0) for name in ("failed", "processed")}
    started = time.monotonic()
    assert current.stop() == 0
    ends.append(time.monotonic() - started)
    workers.dismiss(current)
    assert not leftovers(redis)
    waiting = list(numbers_of(redis.lrange("queue:critical", 0, -1)))[::-1]
    assert sorted(waiting[:THREADS]) == last[:THREADS], "back in front"
    assert waiting[THREADS:] == last[THREADS:]
    assert {name: int(redis.get(f"stat:{name}") or 0) - count for name, count in counts.items()} == {
        "failed": THREADS,
        "processed": THREADS,
    }, "as Sidekiq counts what a stop interrupts"
    interrupted += THREADS
    record(
        f"TERM every {every:g} s, timeout {TIMEOUT} s",
        faults=deploys + 1,
        jobs=len(jobs) + len(last),
        lost=0,
        interrupted=interrupted,
        longest_stop_s=max(ends),
    )
    assert interrupted > 0
    assert max(ends) < TIMEOUT + 3.5


def push(client: fastkiq.Client, chance: random.Random, first: int, longest: float) -> set[int]:
    """A few jobs, most of them short; answers their numbers."""
    rows = [(first + number, chance.choice((0.0, 0.01, 0.1, chance.uniform(0, longest)))) for number in range(3)]
    kinds = chance.choices(("Work", "AsyncWork", "Patient", "Flaky"), k=3)
    for kind, row in zip(kinds, rows, strict=True):
        client.push(f"app.{kind}", *row, queue=chance.choice(("default", "low")))
    return {row[0] for row in rows}
