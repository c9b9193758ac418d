"""Jobs by the million: their ledger is a file of one byte a job, mapped into memory: it outlives any kill."""

import mmap
import os

import fastkiq


def _ledger() -> mmap.mmap:
    with open(os.environ["SOAK"], "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


RUNS = _ledger()


def count(number: int) -> None:
    """Two processes that count the same job at the same instant may count it once: never fewer than once."""
    RUNS[number] = min(RUNS[number] + 1, 255)


class Tick(fastkiq.Worker):
    def perform(self, number: int) -> None:
        count(number)


class AsyncTick(fastkiq.Worker):
    async def perform(self, number: int) -> None:
        count(number)


class FlakyTick(fastkiq.Worker):
    """Fails at first."""

    def perform(self, number: int) -> None:
        if self.job.retry_count is None:
            raise fastkiq.Retry(in_=0.5)
        count(number)
