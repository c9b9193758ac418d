"""Threads that push numbered jobs one by one, and note what they were told of each."""

import itertools
import threading
import time

import fastkiq


class Producers:
    """Every fifth job is for the schedule. A push that fails is not repeated: the next one has another number."""

    def __init__(self, url: str, threads: int = 4, pause: float = 0.004, **settings: float) -> None:
        config = fastkiq.Config(redis_timeout=1.0, connect_timeout=1.0, **settings)
        self._client = fastkiq.Client(url, config=config)
        self._pause = pause
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"producer-{n}") for n in range(threads)]
        self.pushed: dict[int, int] = {}
        """Job -> the steady clock's nanoseconds when its push was acknowledged."""
        self.uncertain: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.errors: set[str] = set()

    def start(self) -> "Producers":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> set[int]:
        """Answers the jobs whose push was acknowledged."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        self._client.close()
        return set(self.pushed)

    def first_after(self, moment: int) -> int | None:
        return min((at for at in self.pushed.copy().values() if at > moment), default=None)

    def _run(self) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            try:
                self._client.push("app.Work", number, 0, in_=0.5 if number % 5 == 0 else None)
                self.pushed[number] = time.monotonic_ns()
            except fastkiq.errors.PushUncertain as error:
                self._note(self.uncertain, number, error)
            except fastkiq.errors.RedisError as error:
                self._note(self.refused, number, error)
            self._over.wait(self._pause)

    def _note(self, fate: dict[int, int], number: int, error: Exception) -> None:
        fate[number] = time.monotonic_ns()
        self.errors.add(f"{type(error).__name__}: {error}"[:200])
        self._over.wait(0.02)
