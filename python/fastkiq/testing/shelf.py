"""The jobs that a test's `fake()` keeps, and the clock that says which are due."""

import time
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from itertools import islice
from threading import RLock
from typing import Final

from fastkiq import client
from fastkiq.guard import Guard
from fastkiq.job import Job
from fastkiq.outlets import Payload, Push
from fastkiq.testing.kept import Fate, Kept
from fastkiq.testing.records import Records

BATCH: Final = 1_000
"""Jobs that a bulk push sends at once: when a row is refused, those of the batches before are enqueued."""


class Shelf:
    """What has been enqueued and has not run, in the order of the pushes; what became of the others in lists beside.

    Safe for threads. Times are those of its own clock, the system's until a test lets it travel. In a forked child
    it is a copy.
    """

    def __init__(self) -> None:
        self._guard = Guard(RLock)
        self._queued: dict[int, Kept] = {}
        self._later: list[Kept] = []  # by time: the schedule and the retries
        self._ended: list[Kept] = []
        self._offset = 0.0
        self.serial = 0
        """Of the last job that came."""
        self.records = Records(self.clock)
        """Results of those that keep one, for `fastkiq.result`."""

    def waiting(self) -> list[Kept]:
        """All that have not run, in the order of the pushes."""
        with self._guard.lock:
            return sorted([*self._queued.values(), *self._later], key=lambda kept: kept.serial)

    def count(self) -> int:
        """How many have not run."""
        with self._guard.lock:
            return len(self._queued) + len(self._later)

    def queued(self) -> list[Job]:
        """Those in queues, in the order in which they will run."""
        with self._guard.lock:
            return [kept.job for kept in self._queued.values()]

    def later(self, *, retries: bool) -> list[Job]:
        """Those that wait for another try, or else for their time, soonest first."""
        with self._guard.lock:
            return [kept.job for kept in self._later if (kept.fate == "retries") == retries]

    def ended(self, fate: Fate) -> list[Job]:
        """Those that ended so, in the order in which they did."""
        with self._guard.lock:
            return [kept.job for kept in self._ended if kept.fate == fate]

    def clear(self) -> None:
        """Forgets all jobs and their results. The clock stays."""
        with self._guard.lock:
            self.records.clear()
            self._queued.clear()
            self._later.clear()
            self._ended.clear()

    def clock(self) -> float:
        """What time it is for these jobs, in epoch seconds."""
        return time.time() + self._offset

    def reach(self, target: float) -> None:
        """It is `target` now, in epoch seconds, or later already."""
        with self._guard.lock:
            if target > self.clock():
                self._offset = target - time.time()

    def take(self, payloads: Iterable[Payload], _push: Push) -> list[str]:
        """The outlet of `fake()`."""
        compat = client.default().config.compat
        each = iter(payloads)
        jids: list[str] = []
        while batch := [Kept(payload, self.clock, compat) for payload in islice(each, BATCH)]:
            self.records.begin(batch)
            with self._guard.lock:
                for kept in batch:
                    self._place(kept)
            jids += [kept.jid for kept in batch]
        return jids

    def keep(self, payload: Payload) -> Job:
        """One that no push has brought."""
        kept = Kept(payload, self.clock, client.default().config.compat)
        with self._guard.lock:
            self._place(kept)
        return kept.job

    def _place(self, kept: Kept) -> None:
        """Under the lock: behind all that wait, or among what falls due later."""
        self.serial += 1
        kept.serial = self.serial
        if kept.at is None:
            self._queued[kept.serial] = kept
        else:
            insort(self._later, kept, key=_by_time)

    def promote(self, fits: Callable[[Kept], bool]) -> list[Kept]:
        """Moves what is due into the queues, as the scheduler does, and answers what can run now."""
        with self._guard.lock:
            due = bisect_right(self._later, self.clock(), key=lambda kept: kept.at or 0.0)
            for kept in self._later[:due]:
                kept.promote()
                self._queued[kept.serial] = kept
            del self._later[:due]
            return [kept for kept in self._queued.values() if fits(kept)]

    def next_time(self, fits: Callable[[Kept], bool]) -> float | None:
        """When the next one falls due."""
        with self._guard.lock:
            return next((kept.at for kept in self._later if fits(kept)), None)

    def claim(self, kept: Kept) -> bool:
        """Whether it is still there; it is not any more."""
        with self._guard.lock:
            return self._queued.pop(kept.serial, None) is not None

    def give_back(self, kept: Kept) -> None:
        """To the front."""
        with self._guard.lock:
            kept.fate = "waits"
            self._queued = {kept.serial: kept, **self._queued}

    def settle(self, kept: Kept) -> None:
        """After a run: where its fate wants it. What has raised out of the drain is nowhere."""
        with self._guard.lock:
            if kept.fate in ("retries", "scheduled"):
                self._place(kept)
            elif kept.fate in ("done", "dropped", "dead"):
                self._ended.append(kept)
            elif kept.fate in ("waits", "queue"):
                self.give_back(kept)


def _by_time(kept: Kept) -> tuple[float, int]:
    return kept.at or 0.0, kept.serial
