"""The primary goes away under load and the Sentinels promote a replica: what is lost, with which guard.

`FASTKIQ_LONG=1 pytest tests/faults/test_sentinel.py -s` prints the figures of `docs/install.md`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import account, places
from faults.lab.crew import Crew
from faults.lab.fleet import MAX_LAG, Fleet, role
from faults.lab.ledger import Ledger
from faults.lab.producers import Producers
from faults.lab.results import record
from faults.lab.scale import LONG, scaled
from servers import Server, wait_until

NewCrew = Callable[..., Crew]


@dataclass
class Case:
    """A way for the primary to go, and what it may cost by guard."""

    fault: Callable[[Fleet], None]
    window: dict[str, float]
    """Guard -> seconds: acknowledged pushes of so long before the fault, or after it, may be lost; 0 = none at all."""
    distance: float = 0
    """Of the replicas, in seconds."""
    stale: bool = False
    """A Sentinel stays with the old primary, and stands first in the URL."""
    back: Callable[[Fleet], None] | None = None
    """The old primary is reached again."""


# Clients ask the Sentinels each 5 s whether the primary is still the one they know; a promotion takes a few seconds.
NOTICED = 5 + 4
FAR = 0.05
CASES = {
    "process killed": Case(Fleet.kill, {"nothing": 0, "min-replicas": 0, "wait": 0}),
    # The proxy passes on what it has when it has slept, so that bytes take up to twice the distance.
    "machine lost, replicas 50 ms away": Case(
        Fleet.crash, {"nothing": 3 * FAR, "min-replicas": 3 * FAR, "wait": 0}, distance=FAR
    ),
    "cut off, lines closed": Case(
        Fleet.isolate,
        {"nothing": NOTICED, "min-replicas": 0, "wait": 0},
        back=lambda fleet: fleet.isolate(False),
    ),
    "cut off with a Sentinel, lines closed": Case(
        Fleet.isolate,
        {"nothing": NOTICED, "min-replicas": 0, "wait": 0},
        stale=True,
        back=lambda fleet: fleet.isolate(False),
    ),
    "cut off, lines silent": Case(
        Fleet.silence,
        # Lag is judged in whole seconds, once a second.
        {"nothing": NOTICED, "min-replicas": MAX_LAG + 2, "wait": 0},
        distance=0.001,
        back=lambda fleet: fleet.silence(False),
    ),
    "frozen": Case(Fleet.freeze, {"nothing": 0, "min-replicas": 0, "wait": 0}, back=lambda fleet: fleet.primary.thaw()),
}
GUARDS = ("nothing", "min-replicas", "wait")
SHORT = [
    ("process killed", "min-replicas"),
    ("machine lost, replicas 50 ms away", "wait"),
    ("cut off with a Sentinel, lines closed", "nothing"),
    ("cut off, lines silent", "min-replicas"),
    ("frozen", "nothing"),
]
EACH = [(case, guard, number) for case in CASES for guard in GUARDS for number in (1, 2, 3)]
ROUNDS = scaled([(*pair, 1) for pair in SHORT], EACH)
COMPLAINTS = ("out of reach", "Redis refuses", "not a Redis server")


def quiet(redis: redis_py.Redis) -> bool:
    return not places(redis)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "guard", "number"), ROUNDS)
def test_a_failover_loses_no_more_than_its_guard_allows(
    crew: NewCrew,
    start_server: Callable[..., Server],
    ledger: Ledger,
    tmp_path: Path,
    name: str,
    guard: str,
    number: int,
) -> None:
    case = CASES[name]
    fleet = Fleet(start_server, least=int(guard == "min-replicas"), distance=case.distance, stale=case.stale)
    settings = tmp_path / "worker.toml"
    settings.write_text("lease = 1.5\nredis_timeout = 1\nconnect_timeout = 1\n")
    # Workers lose the old primary together with the replicas; producers stay with it for as long as they can.
    workers = crew(fleet.inner_url, "-C", str(settings), "-c", "5", "-t", "5", lease=None)
    for _ in range(2):
        workers.start()
    workers.ready()
    producers = Producers(fleet.url, wait_replicas=int(guard == "wait")).start()
    try:
        wait_until(lambda: len(ledger.read().ended) > 60, 20, "some work")
        late = workers.start()  # its entry in the registry may not have reached the replicas
        late.child.wait_for("ready")
        fault = time.monotonic_ns()
        case.fault(fleet)
        new = fleet.promoted()
        promoted = time.monotonic_ns()
        begun = wait_until(lambda: ledger.first_after(promoted), 15, "work")
        pushed = wait_until(lambda: producers.first_after(promoted), 15, "a push")
        time.sleep(NOTICED if case.stale else scaled(0.3, 3.0 if guard != "nothing" else NOTICED))
        if case.back is not None:
            case.back(fleet)
            fleet.retire(fleet.primary, new)
        elif LONG and not case.distance:
            fleet.primary.start()  # it still takes itself for the primary, until a Sentinel tells it otherwise
            wait_until(lambda: role(fleet.primary) == "slave", 30, "the old primary as a replica")
        time.sleep(0.5)
    finally:
        jobs = producers.stop()
    with new.client() as redis:
        wait_until(lambda: quiet(redis), 20, "empty queues")
        found = account(redis, ledger, jobs)
    fleet.close()
    outputs = [worker.child.output() for worker in workers.workers]
    workers.stop()
    lost = sorted((producers.pushed[job] - fault) / 1e9 for job in found.lost)
    lines = max(sum(output.count(words) for words in COMPLAINTS) for output in outputs)
    record(
        f"failover, {name}",
        guard=guard,
        faults=1,
        jobs=found.jobs,
        lost=len(lost),
        lost_from_s=min(lost, default=None),
        lost_to_s=max(lost, default=None),
        uncertain=len(producers.uncertain),
        refused=len(producers.refused),
        twice=len(ledger.repeated()),
        promoted_s=(promoted - fault) / 1e9,
        push_after_s=(pushed - promoted) / 1e9,
        work_after_s=(begun.begun - promoted) / 1e9,
        log_lines=lines,
        errors=sorted(producers.errors)[:5],
    )
    assert not found.doubled
    window = case.window[guard]
    assert all(window > 0 and -window <= age <= window for age in lost), (len(lost), lost[:3], lost[-3:])
    assert not set(producers.refused) & ledger.ended, "a push that was refused took place"
    assert (pushed - promoted) / 1e9 < 5
    assert (begun.begun - promoted) / 1e9 < 5
    assert lines <= 2, outputs
    for worker, output in zip(workers.workers, outputs, strict=True):
        # Longer than a lease without a primary, and nobody has died of it.
        assert "its lease ran out" not in output, output
        assert worker is late or "taken for dead" not in output, output


@pytest.mark.timeout(60)
def test_workers_leave_a_primary_that_was_replaced_though_it_answers(
    crew: NewCrew, start_server: Callable[..., Server], ledger: Ledger
) -> None:
    """What they have claimed from it they finish; by the new one they are unknown, and take a new name."""
    old, new = start_server(), start_server()
    sentinel = start_server(f"sentinel monitor own 127.0.0.1 {old.port} 1", sentinel=True)
    workers = crew(f"redis+sentinel://127.0.0.1:{sentinel.port}/own", "-c", "5")
    for _ in range(2):
        workers.start()
    workers.ready()
    fastkiq.Client(old.url).push_bulk("app.Patient", [(number, 1.0) for number in range(4)])
    fastkiq.Client(new.url).push_bulk("app.Work", [(number, 0) for number in range(4, 8)])
    wait_until(lambda: len(ledger.read().running()) == 4, 10, "work of the old one")
    with sentinel.client() as watching:
        watching.execute_command("SENTINEL", "REMOVE", "own")
        watching.execute_command("SENTINEL", "MONITOR", "own", "127.0.0.1", new.port, 1)
    since = time.monotonic()
    wait_until(lambda: ledger.read().ended == set(range(8)), 10, "work of the new one")
    taken = time.monotonic() - since
    with new.client() as redis:
        wait_until(lambda: redis.zcard("fastkiq:alive") == 2 and quiet(redis), 10, "two names in the registry")
    for worker in workers.workers:
        output = worker.child.output()
        assert output.count("the sentinels name another master") == 1, output
        assert "its lease ran out" not in output, output
    workers.stop()
    record(
        "a primary replaced while it answers", faults=1, jobs=8, lost=0, twice=len(ledger.repeated()), noticed_s=taken
    )
    assert not ledger.repeated()
    assert taken < 7
