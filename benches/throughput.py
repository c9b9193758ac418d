"""Enqueues JOBS empty jobs, then drains them with one `fastkiq process`: jobs per second of each half.

    make bench JOBS=100000
    .venv/bin/python benches/throughput.py --jobs 100000 --concurrency 10 [--redis redis://localhost:6379/9]

Without --redis it starts a private server without persistence (Debian's redis-server, or the Valkey of the `embedded`
extra) and ends it. The start of the worker process is not counted: a first job marks its readiness.
On a --redis of yours it empties the queue `fastkiq-bench` and leaves `stat:processed` raised.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import redis

import fastkiq
from servers import FAMILIES, Server, binary, wait_until

QUEUE = "fastkiq-bench"
SINGLES = 1_000  # enough for one by one, which is bound by the round trip


class Nothing(fastkiq.Worker, queue=QUEUE, retry=0):
    """The shortest job there is; what remains is the cost of the engine."""

    def perform(self, number: int) -> None:
        return


class Ready(fastkiq.Worker, queue=QUEUE, retry=0):
    """Its end is the first thing the worker process does; the measurement begins after it."""

    def perform(self) -> None:
        return


def measure(url: str, jobs: int, concurrency: int) -> None:
    """The queue is filled, put aside, and put back in one step once the worker process is up."""
    fastkiq.configure(redis_url=url)
    client = redis.Redis.from_url(url)
    queue, aside = f"queue:{QUEUE}", f"{QUEUE}:aside"
    client.delete(queue, aside)

    singles = min(jobs, SINGLES)
    with timed("enqueue one by one", singles):
        for number in range(singles):
            Nothing.perform_async(number)
    client.delete(queue)
    with timed("enqueue in bulk", jobs):
        Nothing.perform_bulk([number] for number in range(jobs))
    client.rename(queue, aside)

    before = processed(client)
    Ready.perform_async()
    worker = start_worker(url, concurrency)
    try:
        wait_until(lambda: processed(client) > before, 30, "the worker process")
        with timed("drain", jobs):
            client.rename(aside, queue)
            wait_until(lambda: processed(client) >= before + 1 + jobs, 600, "the end of the queue")
    finally:
        worker.terminate()
        worker.wait(30)
        client.close()


def processed(client: redis.Redis) -> int:
    """Raised by the acknowledgement itself, so it counts what is done and gone from Redis."""
    return int(client.get("stat:processed") or 0)


def start_worker(url: str, concurrency: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "fastkiq", "process", __file__, "-q", QUEUE, "-c", str(concurrency)]
    return subprocess.Popen(arguments, env={**os.environ, "FASTKIQ_REDIS_URL": url}, stderr=subprocess.DEVNULL)


@contextmanager
def timed(what: str, jobs: int) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    print(f"{what:20} {jobs:>9,} jobs {seconds:8.3f} s {jobs / seconds:>11,.0f} jobs/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Jobs per second: enqueue, then drain.")
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--redis", metavar="URL", help="measure on this server instead of a private one")
    options = parser.parse_args()
    if options.redis:
        measure(options.redis, options.jobs, options.concurrency)
        return
    family = next(family for family in FAMILIES if binary(family))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(family, Path(folder)).start()
        try:
            measure(server.url, options.jobs, options.concurrency)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
