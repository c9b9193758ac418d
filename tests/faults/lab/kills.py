"""What a `kill -9` may cost: which runs it excuses, and how soon the jobs that the process held ran again."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field

import redis as redis_py

from faults.lab.books import numbers_of
from faults.lab.crew import Death
from faults.lab.ledger import Ledger, Run
from faults.lab.scale import scaled

ACK_NS = 5_000_000
"""A finished job's ack leaves within 5 ms of its end."""
NOTE_NS = scaled(250_000_000, 20_000_000)
"""A job ends so long after its note at most: the note's own round trip, and a thread that waits for the
interpreter, or in the short form, with other tests beside it, for the processor."""


@dataclass
class Repeats:
    """Runs that were followed by another one of the same attempt."""

    interrupted: int = 0
    """The process died while they ran."""
    unacknowledged: int = 0
    """They had ended, and the process died before Redis had heard of it."""
    oldest_ms: float = 0.0
    """The longest time from such an end to the death."""
    unexcused: list[Run] = field(default_factory=list)
    """No death explains them."""

    @property
    def twice(self) -> int:
        return self.interrupted + self.unacknowledged + len(self.unexcused)


def repeats(ledger: Ledger, deaths: Iterable[Death], grace_ns: int = ACK_NS + NOTE_NS) -> Repeats:
    """Explains each repeated run by the death of the worker that ran it."""
    by_worker = {death.worker: death for death in deaths}
    found = Repeats()
    for run, _ in ledger.repeated():
        death = by_worker.get(run.worker)
        if death is None or run.begun > death.gone or (run.ended is not None and run.ended < death.before - grace_ns):
            found.unexcused.append(run)
        elif run.ended is None:
            found.interrupted += 1
        else:
            found.unacknowledged += 1
            found.oldest_ms = max(found.oldest_ms, (death.before - run.ended) / 1e6)
    return found


@dataclass
class Held:
    """What the flights of a process held when it had just been killed."""

    death: Death
    jobs: set[int]


def held(redis: redis_py.Redis, death: Death) -> Held:
    """To be asked at once: a neighbour may have put some of it back already."""
    jobs: set[int] = set()
    for key in redis.scan_iter(f"fastkiq:flight:*:{death.pid}:*:*", count=1000):
        jobs |= set(numbers_of(redis.lrange(key, 0, -1)))
    return Held(death, jobs)


def moments(ledger: Ledger, helds: Iterable[Held]) -> Counter[str]:
    """In the middle of what the processes were killed: how many deaths found at least one job in that state."""
    counts: Counter[str] = Counter()
    runs: dict[tuple[str, int], Run] = {(run.worker, run.job): run for run in ledger.all_runs()}
    for one in helds:
        states = set()
        for job in one.jobs:
            run = runs.get((one.death.worker, job))
            if run is None:
                states.add("claimed, not begun")
            elif run.ended is None:
                states.add("running")
            else:
                states.add("failed, retry not written" if run.failed else "ended, ack not written")
        counts.update(states or {"nothing held"})
    return counts


def waits(ledger: Ledger, helds: Iterable[Held]) -> list[float]:
    """Seconds from a death to the next beginning of each job that was held and had not ended, ascending.

    Of a job only the first death counts: after a second one it is back as soon, but waits until it can run alone.
    """
    begun: dict[int, list[int]] = {}
    ended: dict[int, int] = {}
    for run in ledger.all_runs():
        begun.setdefault(run.job, []).append(run.begun)
        if run.ended is not None:
            ended[run.job] = min(run.ended, ended.get(run.job, run.ended))
    found = []
    seen: set[int] = set()
    for one in helds:
        for job in one.jobs - seen:
            later = [at for at in begun.get(job, ()) if at > one.death.gone]
            if later and ended.get(job, one.death.gone) >= one.death.gone:
                found.append((min(later) - one.death.gone) / 1e9)
        seen |= one.jobs
    return sorted(found)


class Recoveries:
    """How long after each death the flights of the process were empty again, in seconds.

    That is when its jobs are back in front of their queues; when one begins depends on what else waits.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._threads: list[threading.Thread] = []
        self.seconds: list[float] = []

    def watch(self, death: Death) -> None:
        self._threads.append(threading.Thread(target=self._watch, args=(death,)))
        self._threads[-1].start()

    def wait(self) -> list[float]:
        """Ascending."""
        for thread in self._threads:
            thread.join(60)
        return sorted(self.seconds)

    def _watch(self, death: Death) -> None:
        with redis_py.Redis(port=self._port) as redis:
            while any(redis.scan_iter(f"fastkiq:flight:*:{death.pid}:*", count=1000)):
                if time.monotonic_ns() > death.gone + 50_000_000_000:
                    break
                time.sleep(0.01)
            self.seconds.append((time.monotonic_ns() - death.gone) / 1e9)


def percentile(ordered: list[float], share: float) -> float:
    """Of an ascending list; 0.0 of an empty one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def figures(deaths: Sized, delays: list[float], again: Repeats) -> dict[str, float]:
    """What `record` is told of the deaths and of the seconds until all was well again."""
    return {
        "faults": len(deaths),
        "interrupted": again.interrupted,
        "unacknowledged": again.unacknowledged,
        "oldest_unacknowledged_ms": again.oldest_ms,
        "p50_s": percentile(delays, 0.5),
        "p99_s": percentile(delays, 0.99),
        "most_s": percentile(delays, 1),
    }
