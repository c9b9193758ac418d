"""What the jobs of every contender tell of themselves, for the frame to read. Pure standard library.

COMPARE_RECORD names the file. COMPARE_MODE says how:

- `count`: for systems that run all jobs in one process. The first call leaves the empty file `<record>.first`; the
  COMPARE_JOBS-th end writes `{"first": ns, "last": ns, "jobs": n}`. In between a job costs one step of a counter.
- `append`: for all others, and for what needs each job's word: 16 bytes a call, two little-endian signed integers
  (CLOCK_MONOTONIC in ns, value), by one write to a file opened with O_APPEND, so that processes do not overwrite each
  other. The value is the job's number from 1 on; 0 where a job begins; the latency in ns for a wake-up; for `slow`
  the number where it starts and minus the number where it ends.
"""

import json
import os
import struct
import time
from collections.abc import Callable
from itertools import count

_PATH = os.environ.get("COMPARE_RECORD", "")
_JOBS = int(os.environ.get("COMPARE_JOBS", "0"))
_counting = os.environ.get("COMPARE_MODE", "append") == "count"
_entry = struct.Struct("<qq")
_descriptor = -1
_begun = count()
_done = count(1)
_first = 0


def append(value: int) -> None:
    """One entry, whatever the mode."""
    global _descriptor
    now = time.monotonic_ns()
    if _descriptor < 0:
        _descriptor = os.open(_PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_descriptor, _entry.pack(now, value))


def _count_began() -> None:
    global _first
    if next(_begun) == 0:
        _first = time.monotonic_ns()
        with open(_PATH + ".first", "wb"):
            pass


def _count_ended(number: int) -> None:
    if next(_done) == _JOBS:
        _count_all()


def _count_ran(number: int) -> None:
    done = next(_done)
    if done == 1:
        _count_began()
    if done == _JOBS:
        _count_all()


def _count_all() -> None:
    last = time.monotonic_ns()
    with open(_PATH + ".new", "w") as file:
        json.dump({"first": _first, "last": last, "jobs": _JOBS}, file)
    os.rename(_PATH + ".new", _PATH)


def _append_began() -> None:
    append(0)


began: Callable[[], None]
ended: Callable[[int], None]
ran: Callable[[int], None]
if _counting:
    began, ended, ran = _count_began, _count_ended, _count_ran
else:
    began, ended, ran = _append_began, append, append


def woke(sent: int) -> None:
    """First line of a wake-up job: `sent` is CLOCK_MONOTONIC in ns just before it was enqueued."""
    append(time.monotonic_ns() - sent)


def started(number: int) -> None:
    """A `slow` job starts."""
    append(number)


def finished(number: int) -> None:
    """A `slow` job ran to its end."""
    append(-number)
