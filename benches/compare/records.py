"""Reads what jobs have told of themselves (apps/record.py): when, how many, which."""

import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_ENTRY = struct.Struct("<qq")


class MeasureError(Exception):
    """A measurement that did not come to its end; the reason in one line."""


@dataclass(frozen=True)
class Span:
    """From the first to the last job's own execution."""

    seconds: float
    jobs: int


@dataclass(frozen=True)
class Record:
    """The file that the jobs of one measurement write, in one of the two modes."""

    path: Path
    mode: str

    def begun(self) -> bool:
        """The first job runs."""
        if self.mode == "count":
            return self.path.with_name(self.path.name + ".first").exists()
        return self.path.exists() and self.path.stat().st_size > 0

    def ended(self, jobs: int, entries: int) -> bool:
        """All have ended; `entries` is what they write then. Cheap until nearly so."""
        if self.mode == "append" and self.count() < entries:
            return False
        return self.span(jobs) is not None

    def span(self, jobs: int) -> Span | None:
        """None while not all `jobs` have ended."""
        if self.mode == "count":
            if not self.path.exists():
                return None
            told = json.loads(self.path.read_text())
            return Span((told["last"] - told["first"]) / 1e9, told["jobs"])
        entries = self.entries()
        numbers = {value for _, value in entries if value > 0}
        if len(numbers) < jobs:
            return None
        times = [when for when, _ in entries]
        return Span((max(times) - min(times)) / 1e9, len(numbers))

    def ends(self) -> list[int]:
        """The numbers of all jobs that ended, in order, with repetitions."""
        return [value for _, value in self.entries() if value > 0]

    def entries(self) -> list[tuple[int, int]]:
        """(CLOCK_MONOTONIC in ns, value) of mode `append`."""
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = len(content) - len(content) % _ENTRY.size
        return list(_ENTRY.iter_unpack(content[:whole]))

    def count(self) -> int:
        """How many entries there are, whatever they say."""
        return self.path.stat().st_size // _ENTRY.size if self.path.exists() else 0


def wait_for(predicate: Callable[[], bool], seconds: float, what: str, alive: Callable[[], str | None]) -> None:
    """Until true, asked every 5 ms; MeasureError after `seconds`, or as soon as `alive` says why it is not."""
    deadline = time.monotonic() + seconds
    while not predicate():
        gone = alive()
        if gone:
            raise MeasureError(gone)
        if time.monotonic() > deadline:
            raise MeasureError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.005)
