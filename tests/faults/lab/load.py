"""A steady load of mixed jobs: threads and coroutines, failures and the schedule, several queues."""

import random
import threading

import fastkiq

QUEUES = ("critical", "default", "low")
KINDS = {"Work": 5, "AsyncWork": 3, "Flaky": 1, "Later": 1}
"""Kind -> how many of ten. `Later` is a `Work` for the schedule."""


class Load:
    """Pushes numbered jobs from a thread of its own, as many as keep `backlog` of them ahead of `done()`."""

    def __init__(self, url: str, seed: int, longest: float = 0.05, backlog: int = 300) -> None:
        self._client = fastkiq.Client(url)
        self._random = random.Random(seed)
        self._longest, self._backlog = longest, backlog
        self.pushed: set[int] = set()
        self.uncertain: set[int] = set()
        """Jobs whose push lost its reply: they may be there or not."""
        self.refused: set[int] = set()
        """Jobs whose push was refused: they are certainly not there."""
        self._next = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self.done = lambda: 0
        """How many jobs have ended; set by who knows."""

    def start(self) -> "Load":
        self._thread.start()
        return self

    def stop(self) -> set[int]:
        """No more jobs; answers those that were pushed for certain."""
        self._over.set()
        self._thread.join(30)
        return self.pushed

    def push(self, jobs: int) -> None:
        """So many, in batches of one kind and queue."""
        while jobs > 0:
            jobs -= self._push_batch(min(jobs, self._random.randrange(1, 40)))

    def _run(self) -> None:
        while not self._over.is_set():
            missing = self._backlog - (len(self.pushed) - self.done())
            if missing > 20:
                try:
                    self.push(missing)
                except fastkiq.errors.RedisError:
                    self._over.wait(0.1)
            self._over.wait(0.02)

    def _push_batch(self, jobs: int) -> int:
        kind = self._random.choices(list(KINDS), list(KINDS.values()))[0]
        options = {"queue": self._random.choice(QUEUES)}
        numbers = list(range(self._next, self._next + jobs))
        self._next += jobs
        rows = [(number, round(self._random.uniform(0, self._longest), 4)) for number in numbers]
        try:
            if kind == "Later":
                for row in rows:
                    self._client.push("app.Work", *row, in_=self._random.uniform(0.05, 1.0), **options)
                    self.pushed.add(row[0])
            else:
                self._client.push_bulk(f"app.{kind}", rows, **options)
                self.pushed.update(numbers)
        except fastkiq.errors.PushUncertain:
            self.uncertain.update(set(numbers) - self.pushed)
            raise
        except fastkiq.errors.RedisError:
            self.refused.update(set(numbers) - self.pushed)
            raise
        return jobs
