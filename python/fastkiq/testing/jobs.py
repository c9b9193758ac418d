"""Running the jobs that a test keeps, and what a test may assert of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from fastkiq import client
from fastkiq.client import When, epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.testing import modes, recurring
from fastkiq.testing.shelf import Shelf
from fastkiq.testing.told import none_wanted, refuse, short_of
from fastkiq.testing.values import ANY
from fastkiq.testing.wanted import Target, Wanted, whose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastkiq.testing.kept import Kept
    from fastkiq.testing.runs import Runner

LIMIT: Final = 10_000
Until = datetime | timedelta


class EndlessJobs(AssertionError):
    """More jobs were enqueued while jobs were drained than `limit` allows: probably by one that enqueues itself."""


class Jobs(Shelf):
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

    def drain(
        self, target: Target | None = None, *, retries: bool = False, until: Until | None = None, limit: int = LIMIT
    ) -> int:
        """Runs jobs until none is due; answers how many runs it took. See the class."""
        __tracebackhide__ = True
        runs = 0
        with self._runner(retries=retries) as runner:
            for kept in self._due(target, until, limit):
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
            for kept in self._due(target, None, LIMIT):
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
            for kept in self._due(target, until, limit):
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
            for kept in self._due(target, None, LIMIT):
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
        now = self.clock()
        tick = now if at is None else epoch_of(at)
        return self._keep(recurring.payload(recurring.of(worker), tick, now))

    def ticks(self, worker: Target | None = None, *, until: Until, limit: int = LIMIT) -> list[Job]:
        """Keeps the jobs of all ticks from now up to there, each to fall due at its moment (`job.at`), and answers
        them in order.

        It is as if the schedule were entered now. Without a worker those of all recurring jobs that classes and the
        settings declare; one that is disabled has none. Raises ArgumentError for more than `limit`.
        """
        now, ends = self.clock(), self._moment(until)
        wanted = recurring.every() if worker is None else [recurring.of(worker)]
        found = [(tick, each) for each in wanted for tick in islice(recurring.ticks(each, now, ends), limit + 1)]
        if len(found) > limit:
            raise ArgumentError(f"there are more than {limit:,} ticks up to then: say a nearer time or a higher limit")
        found.sort(key=itemgetter(0))
        return [self._keep({**recurring.payload(each, tick, tick), "at": tick}) for tick, each in found]

    def assert_enqueued(
        self,
        worker: Target | None = None,
        *,
        args: Any = ANY,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        at: Any = ANY,
        tags: "Iterable[str] | None" = None,
        count: int | None = None,
    ) -> list[Job]:
        """Raises AssertionError unless such a job waits (`count`: exactly so many); answers those found.

        - `args`: the arguments in order. Any value in them, however deep, may be `ANY`, a type, a function that answers
          whether it fits, or `subset(...)` of a dict; `...` at the end stands for whatever follows.
        - `kwargs`: some of the arguments by the names of their parameters; one that the push left out has its default.
        - `at`: an aware datetime, epoch seconds or a timedelta from the push, to the second; or None: not put off.
        - `tags`: at least these.
        """
        __tracebackhide__ = True
        wanted = Wanted(worker, args=args, kwargs=kwargs, queue=queue, at=at, tags=tags)
        waiting = self.waiting()
        found = [kept for kept in waiting if wanted.fits(kept)]
        if not found if count is None else len(found) != count:
            refuse(short_of(wanted, count, found, waiting, len(self.done)))
        return [kept.job for kept in found]

    def assert_not_enqueued(
        self,
        worker: Target | None = None,
        *,
        args: Any = ANY,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        at: Any = ANY,
        tags: "Iterable[str] | None" = None,
    ) -> None:
        """Raises AssertionError when such a job waits."""
        __tracebackhide__ = True
        wanted = Wanted(worker, args=args, kwargs=kwargs, queue=queue, at=at, tags=tags)
        found = [kept for kept in self.waiting() if wanted.fits(kept)]
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

        mode = modes.begin(modes.Means(self.take, self.clock, self.records, self), everywhere=False)
        try:
            yield Runner(client.default().config, self.clock, retries=retries)
        finally:
            modes.end(mode)

    def _due(self, target: Target | None, until: Until | None, limit: int) -> "Iterator[Kept]":
        """Takes out one job after the other, as they fall due."""
        fits = _picked(target)
        horizon = None if until is None else self._moment(until)
        known = self._serial
        came: Counter[str] = Counter()
        while True:
            batch = self._promote(fits)
            for kept in batch:
                if not self._claim(kept):
                    continue  # another thread has run it, or a job has cleared all
                if kept.serial > known:
                    came[kept.class_name] += 1
                    if came.total() > limit:
                        self._give_back(kept)
                        raise EndlessJobs(_endless(came, limit))
                yield kept
            if batch:
                continue
            due = None if horizon is None else self._next_time(fits)
            if horizon is None or due is None or due > horizon:
                break
            self._reach(due)
        if horizon is not None:
            self._reach(horizon)

    def _moment(self, until: Until) -> float:
        if isinstance(until, timedelta):
            return self.clock() + until.total_seconds()
        if isinstance(until, datetime):
            return epoch_of(until)
        raise ArgumentError(f"until is a timedelta or an aware datetime, not {type(until).__name__}")

    @contextmanager
    def _settled(self, kept: "Kept") -> Iterator[None]:
        __tracebackhide__ = True
        try:
            yield
        finally:
            self._settle(kept)


def _picked(target: Target | None) -> "Callable[[Kept], bool]":
    if target is None:
        return lambda kept: True
    is_of = whose(target)
    return lambda kept: is_of(kept) or kept.queue == target


def _endless(came: Counter[str], limit: int) -> str:
    most = ", ".join(f"{name} ({count:,})" for name, count in came.most_common(3))
    return (
        f"more than {limit:,} jobs were enqueued while jobs were drained: {most}. Does a job enqueue itself for ever? "
        "If so many are meant, pass a higher limit=..."
    )
