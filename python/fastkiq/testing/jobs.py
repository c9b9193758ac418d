"""The jobs that a test keeps: to look at, to run, and what a test may assert of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Unpack, overload

from fastkiq import client
from fastkiq.client import When, delay_of, epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.testing import modes, recurring
from fastkiq.testing.due import LIMIT, Until, due, moment
from fastkiq.testing.modes import Means
from fastkiq.testing.shelf import Shelf
from fastkiq.testing.told import none_wanted, refuse, short_of
from fastkiq.testing.wanted import Criteria, Target, Wanted

if TYPE_CHECKING:
    from fastkiq.testing.kept import Kept
    from fastkiq.testing.runs import Runner

MOST_TICKS: Final = 1_000_000


class Jobs(Sequence[Job]):
    """The jobs of one `fake()`: a sequence of those that wait, as `fastkiq.Job` records.

    The `drain...` calls run them with the parts of a worker process: arguments through JSON, server middleware, on
    coroutines an event loop. They run what is due, and what that enqueues. `target` picks the jobs of one worker (the
    class, the function, or its name) or of one queue. They answer when nothing more is due.

    - What a job raises comes out, with its own traceback, and the job is gone. With `retries` its retry policy decides
      instead (`retry_in`, `retries_exhausted`; see `retries`, `dead`, `dropped`), without jitter. What a job raises to
      steer itself (Snooze, Retry, Kill, Discard) does not come out in any case.
    - `until`, a timedelta or an aware datetime, lets time pass up to there, from each job that falls due to the next.
    - Raises EndlessJobs when more than `limit` jobs are enqueued meanwhile.
    """

    def __init__(self) -> None:
        self._shelf = Shelf()

    def __len__(self) -> int:
        return self._shelf.count()

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        return [kept.job for kept in self._shelf.waiting()][index]

    def __iter__(self) -> Iterator[Job]:
        return iter([kept.job for kept in self._shelf.waiting()])

    def __repr__(self) -> str:
        counts = Counter(kept.class_name for kept in self._shelf.waiting())
        return f"<Jobs: {', '.join(f'{name} ({count:,})' for name, count in counts.items()) or 'none'}>"

    @property
    def queued(self) -> list[Job]:
        """Those in queues, in the order in which they will run. What falls due comes to them at the next drain."""
        return self._shelf.queued()

    @property
    def scheduled(self) -> list[Job]:
        """Those that wait for their time (`job.at`), soonest first; snoozed ones too."""
        return self._shelf.later(retries=False)

    @property
    def retries(self) -> list[Job]:
        """Those that failed and wait for another try, soonest first."""
        return self._shelf.later(retries=True)

    @property
    def dead(self) -> list[Job]:
        """Those past their last try, in the order in which they died."""
        return self._shelf.ended("dead")

    @property
    def dropped(self) -> list[Job]:
        """Those that failed or discarded themselves and are kept nowhere."""
        return self._shelf.ended("dropped")

    @property
    def done(self) -> list[Job]:
        """Those that ran well, in the order in which they ended."""
        return self._shelf.ended("done")

    def select(self, worker: Target | None = None, **criteria: Unpack[Criteria]) -> list[Job]:
        """The waiting jobs that `assert_enqueued` would find with the same words."""
        wanted = Wanted(worker, criteria)
        return [kept.job for kept in self._shelf.waiting() if wanted.fits(kept)]

    def clear(self) -> None:
        """Forgets all jobs, those that have run too, and their results. The clock stays."""
        self._shelf.clear()

    @property
    def now(self) -> datetime:
        """The time of these jobs, aware, in UTC."""
        return datetime.fromtimestamp(self._shelf.clock(), UTC)

    def travel(self, delta: timedelta | float | None = None, *, to: When | None = None) -> None:
        """Lets time pass, by a timedelta (or seconds) or up to an aware datetime (or epoch seconds). Nothing runs yet.

        It passes for these jobs alone, for when they are due and what `perform_in` counts from: `datetime.now()` in
        your code goes on as before, unless a library like time-machine moves it, which moves these jobs along.
        Raises ArgumentError for a way back.
        """
        if (delta is None) == (to is None):
            raise ArgumentError("travel by a timedelta, or to=... a time")
        now = self._shelf.clock()
        target = epoch_of(to) if to is not None else now + delay_of(delta or 0.0)
        if target < now:
            raise ArgumentError(f"time passes in one direction: for these jobs it is {self.now.isoformat()} already")
        self._shelf.reach(target)

    def drain(
        self, target: Target | None = None, *, retries: bool = False, until: Until | None = None, limit: int = LIMIT
    ) -> int:
        """Runs jobs until none is due; answers how many runs it took. See the class."""
        __tracebackhide__ = True
        runs = 0
        with self._runner(retries=retries) as runner:
            for kept in due(self._shelf, target, until, limit):
                with self._settled(kept):
                    runner.run(kept)
                runs += 1
        return runs

    def drain_all(self, *, retries: bool = False, until: Until | None = None, limit: int = LIMIT) -> int:
        """`drain` of all workers and queues."""
        __tracebackhide__ = True
        return self.drain(retries=retries, until=until, limit=limit)

    def drain_one(self, target: Target | None = None, *, retries: bool = False) -> Job | None:
        """Runs the next job and answers it, as it then is; None when none is due."""
        __tracebackhide__ = True
        with self._runner(retries=retries) as runner:
            for kept in due(self._shelf, target, None, LIMIT):
                with self._settled(kept):
                    runner.run(kept)
                return kept.job
        return None

    async def adrain(
        self, target: Target | None = None, *, retries: bool = False, until: Until | None = None, limit: int = LIMIT
    ) -> int:
        """`drain` for coroutines: asynchronous jobs run on this event loop, the others in a thread; one at a time."""
        __tracebackhide__ = True
        runs = 0
        with self._runner(retries=retries) as runner:
            for kept in due(self._shelf, target, until, limit):
                with self._settled(kept):
                    await runner.arun(kept)
                runs += 1
        return runs

    async def adrain_all(self, *, retries: bool = False, until: Until | None = None, limit: int = LIMIT) -> int:
        """`drain_all` for coroutines."""
        __tracebackhide__ = True
        return await self.adrain(retries=retries, until=until, limit=limit)

    async def adrain_one(self, target: Target | None = None, *, retries: bool = False) -> Job | None:
        """`drain_one` for coroutines."""
        __tracebackhide__ = True
        with self._runner(retries=retries) as runner:
            for kept in due(self._shelf, target, None, LIMIT):
                with self._settled(kept):
                    await runner.arun(kept)
                return kept.job
        return None

    def tick(self, worker: Target, *, at: When | None = None) -> Job:
        """Keeps the job that a tick at this moment, an aware datetime or epoch seconds, would make, and answers it.

        It waits in its queue, whatever time it is. As with every tick, no client middleware sees it, and its queue,
        options and arguments are those of the schedule. `worker` is the class or the function; where the settings
        have several schedules for it, the name of one. Without `at` the moment is `now`. Raises ArgumentError for a
        worker that is not recurring.
        """
        now = self._shelf.clock()
        tick = now if at is None else epoch_of(at)
        return self._shelf.keep(recurring.payload(recurring.of(worker), tick, now))

    def ticks(self, worker: Target | None = None, *, until: Until, limit: int = LIMIT) -> list[Job]:
        """Keeps the jobs of all ticks from now up to there, each to fall due at its moment (`job.at`), and answers
        them in order.

        It is as if the schedule were entered now. Without a worker those of all recurring jobs that classes and the
        settings declare; one that is disabled has none. Raises ArgumentError for more than `limit`.
        """
        if type(limit) is not int or not 0 <= limit <= MOST_TICKS:
            raise ArgumentError(f"limit is a number from 0 to {MOST_TICKS:,}, not {limit!r:.80}")
        now, ends = self._shelf.clock(), moment(self._shelf, until)
        wanted = recurring.every() if worker is None else [recurring.of(worker)]
        found = [(tick, each) for each in wanted for tick in islice(recurring.ticks(each, now, ends), limit + 1)]
        if len(found) > limit:
            raise ArgumentError(f"there are more than {limit:,} ticks up to then: say a nearer time or a higher limit")
        found.sort(key=itemgetter(0))
        return [self._shelf.keep({**recurring.payload(each, tick, tick), "at": tick}) for tick, each in found]

    def assert_enqueued(
        self, worker: Target | None = None, *, count: int | None = None, **criteria: Unpack[Criteria]
    ) -> list[Job]:
        """Raises AssertionError unless such a job waits (`count`: exactly so many); answers those found."""
        __tracebackhide__ = True
        wanted = Wanted(worker, criteria)
        waiting = self._shelf.waiting()
        found = [kept for kept in waiting if wanted.fits(kept)]
        if not found if count is None else len(found) != count:
            refuse(short_of(wanted, count, found, waiting, len(self.done)))
        return [kept.job for kept in found]

    def assert_not_enqueued(self, worker: Target | None = None, **criteria: Unpack[Criteria]) -> None:
        """Raises AssertionError when such a job waits."""
        __tracebackhide__ = True
        wanted = Wanted(worker, criteria)
        found = [kept for kept in self._shelf.waiting() if wanted.fits(kept)]
        if found:
            refuse(none_wanted(wanted, found))

    def assert_no_jobs(self) -> None:
        """Raises AssertionError when any job waits."""
        __tracebackhide__ = True
        self.assert_not_enqueued()

    @contextmanager
    def _runner(self, *, retries: bool) -> "Iterator[Runner]":
        """While jobs run, what they enqueue comes here, though the `with` block of the test may have ended."""
        from fastkiq.testing.runs import Runner

        mode = modes.begin(keeping(self), everywhere=False)
        try:
            yield Runner(client.default().config, self._shelf.clock, retries=retries)
        finally:
            modes.end(mode)

    @contextmanager
    def _settled(self, kept: "Kept") -> Iterator[None]:
        __tracebackhide__ = True
        try:
            yield
        finally:
            self._shelf.settle(kept)


def keeping(jobs: Jobs) -> Means[Jobs]:
    """By what a mode keeps its jobs there."""
    shelf = jobs._shelf
    return Means(shelf.take, shelf.clock, shelf.records, jobs)
