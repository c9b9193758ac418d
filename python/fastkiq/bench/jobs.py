"""The jobs that are measured, and the worker process's side of the measurement.

`fastkiq process fastkiq.bench.jobs` with FASTKIQ_BENCH_FD set is a worker under measurement. It reports lines of JSON
on that descriptor: that it is ready, how long each wake-up took, and, whenever standard input asks, what it has used.
It ends when standard input does.
"""

import os
import resource
import signal
import sys
import time
from threading import Thread
from typing import Any, Final

import fastkiq
from fastkiq import _core
from fastkiq.bench.queues import NOTHING, QUEUE, WAKE

DESCRIPTOR: Final = "FASTKIQ_BENCH_FD"

first = 0.0
"""When this process began its first no-op job, on the monotonic clock, which all processes of a machine share."""
last = 0.0


class Nothing(fastkiq.Worker, name=NOTHING, queue=QUEUE, retry=0):
    """Does nothing but look at the clock."""

    def perform(self, text: str, number: int, document: dict[str, str]) -> None:
        """The arguments of Sidekiq's own load test: a text, a number, a small object."""
        global first, last
        last = time.monotonic()
        if not first:
            first = last


class Wake(fastkiq.Worker, name=WAKE, queue=QUEUE, retry=0):
    """Says how long ago it was enqueued."""

    def perform(self, enqueued_ns: int) -> None:
        """`enqueued_ns`: nanoseconds of the monotonic clock just before the push."""
        report({"wake_ns": time.monotonic_ns() - enqueued_ns})


def report(line: dict[str, Any]) -> None:
    """One line, in one write: several processes share the descriptor."""
    os.write(int(os.environ[DESCRIPTOR]), _core.encode(line) + b"\n")


def usage() -> dict[str, Any]:
    """What this process has used so far."""
    rest, peak = memory()
    return {
        "pid": os.getpid(),
        "cpu_seconds": time.process_time(),
        "rss_bytes": rest,
        "peak_bytes": peak,
        "first": first,
        "last": last,
    }


def memory() -> tuple[int, int]:
    """Bytes in memory now, and at most. 0 = the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            facts = dict(line.split(":", 1) for line in status if ":" in line)
        return int(facts["VmRSS"].split()[0]) * 1024, int(facts["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return 0, peak if sys.platform == "darwin" else peak * 1024


def _obey() -> None:
    while asked := os.read(0, 4096):
        for _ in range(asked.count(b"\n")):
            report({"usage": usage()})
    os.kill(os.getpid(), signal.SIGTERM)


def _attend() -> None:
    Thread(target=_obey, name="fastkiq-bench", daemon=True).start()
    report({"ready": os.getpid()})


if DESCRIPTOR in os.environ:
    fastkiq.configure().on("heartbeat", _attend)
