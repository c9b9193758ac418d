"""The jobs of the fault tests: each notes its runs in the ledger, a Redis of its own that is never broken.

A note is one line, `<what> <job> <attempt> <worker> <nanoseconds>`: `B` when a run has begun, `E` when it has ended
well, `F` when it is about to fail. The clock is the steady one that all processes of a host share; the worker is the
name that `Crew` gave it.
"""

import asyncio
import ctypes
import os
import signal
import time

import fastkiq
from fastkiq.client import default

LEDGER = fastkiq.Client(os.environ["LEDGER"])
WORKER = os.environ["WORKER"]


def note(what: str, number: int, attempt: int = 0) -> None:
    LEDGER.core.command("RPUSH", "runs", f"{what} {number} {attempt} {WORKER} {time.monotonic_ns()}")


def attempt_of(worker: fastkiq.Worker) -> int:
    """0 for the first run, 1 for the first retry."""
    count = worker.job.retry_count
    return 0 if count is None else count + 1


class Work(fastkiq.Worker, retry=25):
    def perform(self, number: int, seconds: float) -> None:
        note("B", number)
        if seconds:
            time.sleep(seconds)
        note("E", number)


class AsyncWork(fastkiq.Worker, retry=25):
    async def perform(self, number: int, seconds: float) -> None:
        note("B", number)
        await asyncio.sleep(seconds)
        note("E", number)


class Flaky(fastkiq.Worker, retry=25):
    """Fails at first, and is retried soon."""

    def perform(self, number: int, seconds: float) -> None:
        attempt = attempt_of(self)
        note("B", number, attempt)
        time.sleep(seconds)
        note("F" if attempt == 0 else "E", number, attempt)
        if attempt == 0:
            raise fastkiq.Retry(in_=0.1)


class Patient(fastkiq.Worker, retry=25):
    """Sleeps in slices, so that a stop interrupts it at once."""

    def perform(self, number: int, seconds: float) -> None:
        note("B", number)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
        note("E", number)


class Hog(fastkiq.Worker, retry=25):
    """One C loop that never lets go of the interpreter: no Python thread of the process gets a turn."""

    def perform(self, number: int, seconds: float) -> None:
        note("B", number)
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # PyDLL: the call keeps the GIL
        note("E", number)


class Killer(fastkiq.Worker, retry=25):
    """Ends its process, each time anew."""

    def perform(self, number: int, how: str) -> None:
        note("B", number)
        if how == "segfault":
            ctypes.string_at(0)
        elif how == "exit":
            os._exit(17)
        elif how == "memory":
            os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does to a process that has used up its memory


class Forker(fastkiq.Worker, retry=25):
    """Leaves a child behind that lives for so long, and holds all connections of its parent open."""

    def perform(self, number: int, seconds: float) -> None:
        note("B", number)
        if os.fork() == 0:
            os.closerange(0, 3)  # nobody shall wait for its output
            time.sleep(seconds)
            os._exit(0)
        note("E", number)


class Mute(fastkiq.Worker, retry=25):
    """Says nothing: for loads whose ledger is kept elsewhere."""

    def perform(self, text: str) -> None:
        pass


class Chain(fastkiq.Worker, retry=25):
    """Enqueues another job from within."""

    def perform(self, number: int, following: int) -> None:
        note("B", number)
        default().push("app.Work", following, 0)
        note("E", number)
