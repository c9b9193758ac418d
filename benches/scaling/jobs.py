"""The jobs of the scaling measurements, and the clients that push them.

    fastkiq process jobs.py                     runs them; SCALING_RECORD names a folder for what each process tells
    python jobs.py single|bulk JOBS [START]     pushes to FASTKIQ_REDIS_URL; prints {"began", "ended"}

START, "began" and "ended": seconds of CLOCK_MONOTONIC, so that several clients can begin at once.
"""

import atexit
import json
import os
import sys
import time
from itertools import count
from pathlib import Path

import fastkiq

fastkiq.configure(log_level="warning")
RECORD = os.environ.get("SCALING_RECORD")
EVERY = 64
"""Jobs between two looks at the clock, so that looking costs nothing."""

_ran = count(1).__next__
_seen = [0, 0, 0]  # first and last in ns of CLOCK_MONOTONIC, jobs by then


class NoOp(fastkiq.Worker, name="jobs.NoOp"):
    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        if (ran := _ran()) % EVERY == 1:
            now = time.monotonic_ns()
            _seen[:] = _seen[0] or now, now, ran


class Sleep(fastkiq.Worker, name="jobs.Sleep"):
    def perform(self, seconds: float) -> None:
        time.sleep(seconds)


@atexit.register
def tell() -> None:
    if RECORD and _seen[0]:
        Path(RECORD, f"{os.getpid()}.json").write_text(json.dumps(_seen))


def push(how: str, jobs: int, start: float) -> tuple[float, float]:
    NoOp.perform_async("string", 0, {"mike": "bob"})  # connects
    time.sleep(max(0.0, start - time.monotonic()))
    began = time.monotonic()
    if how == "bulk":
        NoOp.perform_bulk(["string", number, {"mike": "bob"}] for number in range(jobs - 1))
    else:
        for number in range(jobs - 1):
            NoOp.perform_async("string", number, {"mike": "bob"})
    return began, time.monotonic()


if __name__ == "__main__":
    began, ended = push(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
    print(json.dumps({"began": began, "ended": ended}))
