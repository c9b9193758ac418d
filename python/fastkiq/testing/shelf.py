"""The jobs that a test's `fake()` keeps, to look at, and the clock that says which are due."""

import time
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import RLock
from typing import Any, Final

from fastkiq import client
from fastkiq.client import When, delay_of, epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.guard import Guard
from fastkiq.job import Job
from fastkiq.outlets import Payload, Push
from fastkiq.testing.kept import Kept
from fastkiq.testing.records import Records
from fastkiq.testing.values import ANY
from fastkiq.testing.wanted import Target, Wanted

BATCH: Final = 1_000
"""Jobs that a bulk push sends at once: when a row is refused, those of the batches before are enqueued."""


class Shelf(Sequence[Job]):
    """What has been enqueued and has not run, in the order of the pushes; what became of the others in lists beside.

    Safe for threads. Times are those of its own clock, the system's until a test lets it `travel`. In a forked child
    it is a copy.
    """

    def __init__(self) -> None:
        self._guard = Guard(RLock)
        self._serial = 0
        self._queued: dict[int, Kept] = {}
        self._later: list[Kept] = []  # by time: the schedule and the retries
        self._ended: list[Kept] = []
        self._offset = 0.0
        self.records = Records(self.clock)
        """Results of those that keep one, for `fastkiq.result`."""

    @property
    def all(self) -> list[Job]:
        """Every job that waits: in a queue, for its time, or for its retry."""
        return [kept.job for kept in self.waiting()]

    @property
    def queued(self) -> list[Job]:
        """Those in queues, in the order in which they will run. What falls due comes to them at the next drain."""
        return self._listed(self._queued.values())

    @property
    def scheduled(self) -> list[Job]:
        """Those that wait for their time (`job.at`), soonest first; snoozed ones too."""
        return self._listed(kept for kept in self._later if kept.fate != "retries")

    @property
    def retries(self) -> list[Job]:
        """Those that failed and wait for another try, soonest first."""
        return self._listed(kept for kept in self._later if kept.fate == "retries")

    @property
    def dead(self) -> list[Job]:
        """Those past their last try, in the order in which they died."""
        return self._listed(kept for kept in self._ended if kept.fate == "dead")

    @property
    def dropped(self) -> list[Job]:
        """Those that failed or discarded themselves and are kept nowhere."""
        return self._listed(kept for kept in self._ended if kept.fate == "dropped")

    @property
    def done(self) -> list[Job]:
        """Those that ran well, in the order in which they ended."""
        return self._listed(kept for kept in self._ended if kept.fate == "done")

    def select(
        self,
        worker: Target | None = None,
        *,
        args: Any = ANY,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        at: Any = ANY,
        tags: Iterable[str] | None = None,
    ) -> list[Job]:
        """The waiting jobs that `assert_enqueued` would find with the same words."""
        wanted = Wanted(worker, args=args, kwargs=kwargs, queue=queue, at=at, tags=tags)
        return [kept.job for kept in self.waiting() if wanted.fits(kept)]

    def waiting(self) -> list[Kept]:
        """What `all` shows, as it is held."""
        with self._guard.lock:
            return sorted([*self._queued.values(), *self._later], key=lambda kept: kept.serial)

    def __len__(self) -> int:
        with self._guard.lock:
            return len(self._queued) + len(self._later)

    def __getitem__(self, index: Any) -> Any:
        return self.all[index]

    def __iter__(self) -> Iterator[Job]:
        return iter(self.all)

    def clear(self) -> None:
        """Forgets all jobs, those that have run too, and their results. The clock stays."""
        with self._guard.lock:
            self.records.clear()
            self._queued.clear()
            self._later.clear()
            self._ended.clear()

    def __repr__(self) -> str:
        counts = Counter(kept.class_name for kept in self.waiting())
        return f"<Jobs: {', '.join(f'{name} ({count:,})' for name, count in counts.items()) or 'none'}>"

    @property
    def now(self) -> datetime:
        """The time of these jobs, aware, in UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def clock(self) -> float:
        """`now` in epoch seconds."""
        return time.time() + self._offset

    def travel(self, delta: timedelta | float | None = None, *, to: When | None = None) -> None:
        """Lets time pass, by a timedelta (or seconds) or up to an aware datetime (or epoch seconds). Nothing runs yet.

        It passes for these jobs alone, for when they are due and what `perform_in` counts from: `datetime.now()` in
        your code goes on as before, unless a library like time-machine moves it, which moves these jobs along.
        Raises ArgumentError for a way back.
        """
        if (delta is None) == (to is None):
            raise ArgumentError("travel by a timedelta, or to=... a time")
        now = self.clock()
        target = epoch_of(to) if to is not None else now + delay_of(delta or 0.0)
        if target < now:
            raise ArgumentError(f"time passes in one direction: for these jobs it is {self.now.isoformat()} already")
        self._reach(target)

    def _reach(self, target: float) -> None:
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

    def _keep(self, payload: Payload) -> Job:
        """One that no push has brought."""
        kept = Kept(payload, self.clock, client.default().config.compat)
        with self._guard.lock:
            self._place(kept)
        return kept.job

    def _place(self, kept: Kept) -> None:
        """Under the lock: behind all that wait, or among what falls due later."""
        self._serial += 1
        kept.serial = self._serial
        if kept.at is None:
            self._queued[kept.serial] = kept
        else:
            insort(self._later, kept, key=_by_time)

    def _promote(self, fits: Callable[[Kept], bool]) -> list[Kept]:
        """Moves what is due into the queues, as the scheduler does, and answers what can run now."""
        with self._guard.lock:
            due = bisect_right(self._later, self.clock(), key=lambda kept: kept.at or 0.0)
            for kept in self._later[:due]:
                kept.promote()
                self._queued[kept.serial] = kept
            del self._later[:due]
            return [kept for kept in self._queued.values() if fits(kept)]

    def _next_time(self, fits: Callable[[Kept], bool]) -> float | None:
        """When the next one falls due."""
        with self._guard.lock:
            return next((kept.at for kept in self._later if fits(kept)), None)

    def _claim(self, kept: Kept) -> bool:
        """Whether it is still there; it is not any more."""
        with self._guard.lock:
            return self._queued.pop(kept.serial, None) is not None

    def _give_back(self, kept: Kept) -> None:
        """To the front."""
        with self._guard.lock:
            kept.fate = "waits"
            self._queued = {kept.serial: kept, **self._queued}

    def _settle(self, kept: Kept) -> None:
        """After a run: where its fate wants it. What has raised out of the drain is nowhere."""
        with self._guard.lock:
            if kept.fate in ("retries", "scheduled"):
                self._place(kept)
            elif kept.fate in ("done", "dropped", "dead"):
                self._ended.append(kept)
            elif kept.fate in ("waits", "queue"):
                self._give_back(kept)

    def _listed(self, held: Iterable[Kept]) -> list[Job]:
        with self._guard.lock:
            return [kept.job for kept in held]


def _by_time(kept: Kept) -> tuple[float, int]:
    return kept.at or 0.0, kept.serial
