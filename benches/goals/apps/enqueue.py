"""The enqueueing side of the goals, on the interpreter of the timed sides. FASTKIQ_REDIS_URL says where to.

    python enqueue.py single N            perform_async in a loop
    python enqueue.py threads N T         the same from T threads, N jobs in all
    python enqueue.py bulk N              perform_bulk
    python enqueue.py wake N QUEUES       N probes at random pauses of 5 to 30 ms, each to one of QUEUES queues, and one
                                          before them that is not to be counted: it pays for connecting
    python enqueue.py sleep|asleep|middle N
    python enqueue.py due N SECONDS       N jobs that fall due within one second, the first in SECONDS

Prints one JSON object: seconds, jobs. Imports and connecting are not in the seconds.
"""

import json
import random
import sys
import threading
import time

from jobs import Asleep, Due, Middle, NoOp, Sleep, Wake

OPTIONS = {"mike": "bob"}


def single(jobs: int) -> float:
    began = time.perf_counter()
    for number in range(jobs):
        NoOp.perform_async("string", number, OPTIONS)
    return time.perf_counter() - began


def threads(jobs: int, many: int) -> float:
    start = threading.Barrier(many + 1)

    def push() -> None:
        NoOp.perform_async("string", 0, OPTIONS)  # its connection
        start.wait()
        for number in range(jobs // many):
            NoOp.perform_async("string", number, OPTIONS)

    pushers = [threading.Thread(target=push) for _ in range(many)]
    for each in pushers:
        each.start()
    start.wait()
    began = time.perf_counter()
    for each in pushers:
        each.join()
    return time.perf_counter() - began


def bulk(jobs: int) -> float:
    began = time.perf_counter()
    NoOp.perform_bulk(("string", number, OPTIONS) for number in range(jobs))
    return time.perf_counter() - began


def fill(kind: str, jobs: int) -> float:
    began = time.perf_counter()
    worker = {"sleep": Sleep, "asleep": Asleep, "middle": Middle}[kind]
    worker.perform_bulk((number,) for number in range(jobs))
    return time.perf_counter() - began


def wake(probes: int, queues: int) -> float:
    chance = random.Random(7)
    senders = [Wake.set(queue=f"q{number}") for number in range(queues)] if queues > 1 else [Wake.set()]
    senders[0].perform_async(time.monotonic_ns())
    began = time.perf_counter()
    for _ in range(probes):
        time.sleep(chance.uniform(0.005, 0.030))
        chance.choice(senders).perform_async(time.monotonic_ns())
    return time.perf_counter() - began


def due(jobs: int, seconds: float) -> float:
    began = time.perf_counter()
    first = time.time() + seconds
    times = [first + number / jobs for number in range(jobs)]
    Due.perform_bulk([(at,) for at in times], at=times)
    return time.perf_counter() - began


def main() -> None:
    what, jobs, more = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if what in ("single", "threads", "bulk"):
        NoOp.perform_async("string", 0, OPTIONS)  # connected, and the path is warm
    if what == "single":
        seconds = single(jobs)
    elif what == "threads":
        seconds = threads(jobs, int(more[0]))
    elif what == "bulk":
        seconds = bulk(jobs)
    elif what == "wake":
        seconds = wake(jobs, int(more[0]))
    elif what == "due":
        seconds = due(jobs, float(more[0]))
    else:
        seconds = fill(what, jobs)
    print(json.dumps({"seconds": seconds, "jobs": jobs}))


if __name__ == "__main__":
    main()
