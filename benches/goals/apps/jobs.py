"""The jobs that the goals are measured with, and what they tell of themselves. Loaded by `fastkiq process jobs.py`.

GOALS_RECORD names the file that they write to, each line in one write: CLOCK_MONOTONIC in ns and what happened.
GOALS_JOBS is the number of jobs in one go; the first and the last of each go leave a line.
"""

import asyncio
import json
import os
import sys
import time
from itertools import count
from typing import Any

import fastkiq

JOBS = int(os.environ.get("GOALS_JOBS", "0")) or sys.maxsize
_record = os.open(os.environ.get("GOALS_RECORD", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
_begun = count(1).__next__
_step = count(1).__next__
_late: list[float] = []


def note(*words: object) -> None:
    """One line of the record."""
    os.write(_record, (" ".join([str(time.monotonic_ns()), *map(str, words)]) + "\n").encode())


def began() -> None:
    """A job with a length begins."""
    if (number := _begun()) % JOBS == 1:
        note("first", number)


def ended() -> None:
    """A job with a length ends."""
    if (number := _step()) % JOBS == 0:
        note("last", number)


class Ready(fastkiq.Worker):
    """The first thing that a worker process does: from here on it is measured."""

    def perform(self) -> None:
        note("ready")


class NoOp(fastkiq.Worker):
    """Counts itself, as the floor's job does (lab/floor_child.py)."""

    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        if (done := _step()) % JOBS < 2:
            note("last" if done % JOBS == 0 else "first", done)


class Sleep(fastkiq.Worker):
    def perform(self, number: int) -> None:
        began()
        time.sleep(0.01)
        ended()


class Asleep(fastkiq.Worker):
    async def perform(self, number: int) -> None:
        began()
        await asyncio.sleep(0.05)
        ended()


class Wake(fastkiq.Worker):
    """`sent`: CLOCK_MONOTONIC in ns when it was about to be enqueued."""

    def perform(self, sent: int) -> None:
        note("woke", time.monotonic_ns() - sent)


class Due(fastkiq.Worker):
    """`due`: epoch seconds. The last one of GOALS_JOBS writes how late each was, in ms."""

    def perform(self, due: float) -> None:
        _late.append((time.time() - due) * 1000)
        if len(_late) == JOBS:
            note("late", json.dumps([round(each, 3) for each in _late], separators=(",", ":")))


class Timed(fastkiq.Worker):
    """Sleeps, and tells which process ran it from when to when."""

    def perform(self, number: int, seconds: float) -> None:
        start = time.monotonic_ns()
        time.sleep(seconds)
        note("ran", number, os.getpid(), start)


class Middle(fastkiq.Worker):
    """One Redis GET, one small JSON parse."""

    side: Any = None

    def perform(self, number: int) -> None:
        began()
        json.loads(self.side.get("goals:document"))
        ended()


if "GOALS_SIDE_URL" in os.environ:
    import redis

    Middle.side = redis.Redis.from_url(os.environ["GOALS_SIDE_URL"])
