"""What is asked of Redis, in threads: no key waits for an answer."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fastkiq.api import Redis


class Request(Protocol):
    """A question to Redis. Two equal ones are the same question."""

    def read(self, redis: Redis) -> Any:
        """The answer, in one or a few round trips; called in the reader's thread."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    request: Request
    value: Any
    error: Exception | None
    at: float
    """Epoch seconds."""


class Reader:
    """One thread that asks one question at a time. Of those that come meanwhile only the last is asked: with a slow
    Redis nothing piles up. It ends with the process, whatever it waits for."""

    def __init__(self, redis: Callable[[], Redis], deliver: Callable[[Answer], object]) -> None:
        self._redis = redis
        self._deliver = deliver
        self._news = threading.Condition()
        self._next: Request | None = None
        self._began: float | None = None
        self._is_over = False
        threading.Thread(target=self._run, name="fastkiq-top-reader", daemon=True).start()

    def ask(self, request: Request) -> None:
        """Asks it as soon as the answer to the one before is there."""
        with self._news:
            self._next = request
            self._news.notify()

    @property
    def is_busy(self) -> bool:
        """Whether something is asked or waits."""
        with self._news:
            return self._began is not None or self._next is not None

    @property
    def waits(self) -> float:
        """Seconds for which the question under way has been without an answer."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def stop(self) -> None:
        """Asks nothing more."""
        with self._news:
            self._is_over = True
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._began = None
                while self._next is None and not self._is_over:
                    self._news.wait()
                request, self._next = self._next, None
                if self._is_over or request is None:
                    return
                self._began = time.monotonic()
            self._deliver(self._answer(request))

    def _answer(self, request: Request) -> Answer:
        try:
            return Answer(request, request.read(self._redis()), None, time.time())
        except Exception as error:  # it is told on the screen, which goes on
            return Answer(request, None, error, time.time())


class Task:
    """Something that is done to Redis in a thread of its own, which tells how far it has come and can be stopped."""

    def __init__(self, work: Callable[["Task"], str]) -> None:
        self.progress = ""
        """How far it is; set by the work."""
        self.result: str | None = None
        """What was done, when it is over."""
        self.error: Exception | None = None
        self.is_over = threading.Event()
        self._cancelled = threading.Event()
        self._work = work

    def start(self) -> "Task":
        """Begins it."""
        threading.Thread(target=self._run, name="fastkiq-top-task", daemon=True).start()
        return self

    def cancel(self) -> None:
        """Asks it to end after the slice that it is in."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the work should end."""
        return self._cancelled.is_set()

    def _run(self) -> None:
        try:
            self.result = self._work(self)
        except Exception as error:  # it is told on the screen, which goes on
            self.error = error
        self.is_over.set()
