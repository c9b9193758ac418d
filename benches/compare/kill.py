"""kill -9 of a worker with ten jobs running: what never ran to its end, and when the interrupted ones began again."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from contender import HERE, Contender
from lab.rounds import Record, Results
from measure import READY_SECONDS, Bench, Figures
from records import MeasureError, wait_for
from records import Record as Told
from worker import Worker

JOBS = 200
RUNNING = 30  # starts after which the worker is killed: in the middle of the work
SIDE_BY_SIDE = 5  # they sleep
MARGIN = 60  # seconds for all that comes before the kill


def kill_all(contenders: Iterable[Contender], results: Results, rounds: int, retry: bool) -> None:
    """Several at a time, each with a server of its own; results that are there are not made again."""
    done = {
        (record["contender"], record["round"])
        for record in results.read()
        if record["workload"] == "kill" and ("value" in record or not retry)
    }
    lock, room = threading.Lock(), threading.Semaphore(SIDE_BY_SIDE)

    def one(contender: Contender, number: int) -> None:
        with room:
            told = _apart(contender)
        record: Record = {"workload": "kill", "contender": contender.name, "round": number, **told}
        with lock:
            results.append({**record, "at": round(time.time(), 3)})
            print(f"kill -9  {contender.name:18} {_shown(record, contender.kill_seconds)}", flush=True)

    threads = [
        threading.Thread(target=one, args=(contender, number))
        for number in range(rounds)
        for contender in contenders
        if "kill" in contender.workloads and (contender.name, number) not in done
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _apart(contender: Contender) -> Record:
    """The figures, or the error. In a process of its own, so that nothing of it can outlast its time."""
    longest = contender.kill_seconds + MARGIN
    with tempfile.TemporaryDirectory(prefix="fastkiq-compare-") as name:
        answer, log = Path(name) / "answer", Path(name) / "log"
        command = [sys.executable, str(HERE / "kill_one.py"), contender.name, str(answer)]
        with Worker(command, HERE, {}, log) as child:
            deadline = time.monotonic() + longest
            while not child.gone() and time.monotonic() < deadline:
                time.sleep(0.2)
            told = child.gone() or f"not within {longest} s"
        if answer.exists():
            figures: Record = json.loads(answer.read_text())
            return figures
        return {"error": told[-600:]}


def kill(bench: Bench, contender: Contender) -> Figures:
    """The figures of one kill."""
    bench.clear()
    bench.fill(contender, "slow", JOBS)
    record = bench.record(contender, "kill")
    with bench.worker(contender, "kill", record, JOBS) as worker:
        wait_for(lambda: _starts(record) >= RUNNING, READY_SECONDS, f"{RUNNING} jobs", worker.gone)
        worker.kill()
        killed = time.monotonic_ns()
    before = [value for when, value in record.entries() if when <= killed]
    with bench.worker(contender, "kill", record, JOBS) as worker:
        deadline = time.monotonic() + contender.kill_seconds
        while time.monotonic() < deadline and len(_ended(record)) < JOBS:
            time.sleep(0.1)
            if worker.gone():
                raise MeasureError(worker.gone() or "")
    return _figures(
        record, {value for value in before if value > 0} - {-value for value in before if value < 0}, killed
    )


def _figures(record: Told, interrupted: set[int], killed: int) -> Figures:
    entries = record.entries()
    ends = [-value for _, value in entries if value < 0]
    again = sorted(
        min(when for when, value in entries if value == number and when > killed) - killed
        for number in interrupted
        if any(value == number and when > killed for when, value in entries)
    )
    figures: Figures = {
        "value": JOBS - len(set(ends)),
        "lost": JOBS - len(set(ends)),
        "interrupted": len(interrupted),
        "began_again": len(again),
        "twice": len(ends) - len(set(ends)),
    }
    return {**figures, "first_again_s": again[0] / 1e9, "last_again_s": again[-1] / 1e9} if again else figures


def _starts(record: Told) -> int:
    return sum(value > 0 for _, value in record.entries())


def _ended(record: Told) -> set[int]:
    return {value for _, value in record.entries() if value < 0}


def _shown(record: Record, seconds: int) -> str:
    if "error" in record:
        return f"failed: {record['error']}"
    when = f"{record['first_again_s']:.1f} to {record['last_again_s']:.1f} s" if "first_again_s" in record else "never"
    left = f"{record['lost']} of {JOBS} not run within {seconds} s"
    return f"{left}, {record['interrupted']} interrupted, begun again after {when}"
