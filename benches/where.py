"""Where the microseconds of a no-op job go: a drain under `perf`, the samples sorted by thread and by what is done.

    .venv/bin/python benches/where.py            # half a minute; perf must be installed (Debian: linux-perf)
    .venv/bin/python benches/where.py --write    # and into docs/performance.md

Samples are of processor time (`cpu-clock`), 4,000 a second and core, of the worker process and of Redis together;
what is printed is processor time by the job. Sampling itself slows both by some percent.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from lab import REPOSITORY, floor
from lab.document import fill, table
from lab.process import Child, tree
from lab.server import PrivateServer
from lab.venv import built_wheel, environment

FREQUENCY = 4_000
SECONDS = 120  # for a drain, by far the most it may take
APP = """
import fastkiq

class NoOp(fastkiq.Worker):
    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        pass
"""
WORKER, FETCHER, REDIS = "the job's thread", "fetcher thread (Rust)", "Redis"
# (who, what, pattern of "<library> <symbol>"): the first that fits.
PLACES = [
    (REDIS, "kernel: sockets, wake-ups", r"^\[kernel"),
    (REDIS, "Lua: the scripts, and copies of the payloads into Lua and out of it", r"lua|^\S+ (f_|str_)|libc"),
    (REDIS, "lists, replies, commands", ""),
    (FETCHER, "kernel: sockets, wake-ups", r"^\[kernel"),
    (FETCHER, "payloads checked and their fields found", r"payload|json|memchr|utf8|scan"),
    (FETCHER, "replies parsed", r"resp::|connection|stream"),
    (FETCHER, "memory: allocation, copies", r"libc|alloc::"),
    (FETCHER, "claims, acks, hand-over", ""),
    (WORKER, "kernel: wake-ups, page faults", r"^\[kernel"),
    (WORKER, "clock", r"vdso"),
    (WORKER, "arguments decoded (jiter)", r"jiter|decode"),
    (WORKER, "next and done in the core", r"_core\."),
    (WORKER, "memory: allocation", r"libc"),
    (WORKER, "interpreter: the loop, context, instance, call of perform", ""),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the microseconds of a no-op job go.")
    parser.add_argument("--jobs", type=int, default=3_000_000)
    parser.add_argument("--wheel", help="else the newest in dist/")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md as well")
    options = parser.parse_args()
    if shutil.which("perf") is None:
        raise SystemExit("perf is not installed (Debian: apt install linux-perf)")
    wheel = built_wheel(options.wheel)
    python = environment("where", (), wheel)
    with tempfile.TemporaryDirectory() as folder, PrivateServer() as server:
        samples, rate = drain(server, python, Path(folder), options.jobs)
    text = shown(samples, options.jobs, rate)
    print(text)
    if options.write:
        fill(REPOSITORY / "docs" / "performance.md", "where", text)


def drain(server: PrivateServer, python: Path, folder: Path, jobs: int) -> tuple[Counter[tuple[str, str]], float]:
    """Samples by (who, what), and jobs per second. SystemExit when the worker dies, or takes too long."""
    (folder / "jobs.py").write_text(APP)
    floor.push_prepared(server, "aside", jobs)
    command = [str(python), "-m", "fastkiq", "process", "jobs.py", "-c", "10", "--redis", server.url]
    perf = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY)]
    with Child([*perf, "-o", "worker", "--", *command], folder / "worker.log", cwd=folder) as worker:
        time.sleep(3)  # it is up and idle: what its start takes is little beside the drain
        with Child([*perf, "-o", "redis", "-p", str(server.pid)], folder / "redis.log", cwd=folder) as redis:
            time.sleep(1)
            began = time.monotonic()
            server.client.rename("aside", "queue:default")
            while (done := int(server.client.get("stat:processed") or 0)) < jobs:
                if not worker.running:
                    raise SystemExit(f"the worker has ended, with {done:,} of {jobs:,} jobs done: {worker.words()}")
                if time.monotonic() - began > SECONDS:
                    raise SystemExit(f"{done:,} of {jobs:,} jobs done in {SECONDS} s: {worker.words()}")
                time.sleep(0.02)
            rate = jobs / (time.monotonic() - began)
            redis.terminate()
        for pid in set(tree(worker.pid)) - {worker.pid}:
            os.kill(pid, signal.SIGTERM)
        worker.process.wait(60)
    return samples_of(folder / "worker") + samples_of(folder / "redis"), rate


def samples_of(data: Path) -> Counter[tuple[str, str]]:
    """What perf has recorded, sorted; a line is a thread's name, an address, a symbol and, in brackets, its library."""
    command = ["perf", "script", "-i", str(data), "-F", "comm,ip,sym,dso"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        parts = re.match(r"\s*(\S+)\s+[0-9a-f]+ (.*) \((\S*)\)$", line)
        if parts is None:
            continue
        who = {"redis-server": REDIS, "fastkiq-fetch": FETCHER}.get(parts[1])
        if who is None:
            who = WORKER if parts[1].startswith("python") else "other threads"
        place = f"{Path(parts[3]).name if not parts[3].startswith('[') else parts[3]} {parts[2]}"
        what = next((what for whose, what, pattern in PLACES if whose == who and re.search(pattern, place)), "all")
        found[who, what] += 1
    return found


def shown(samples: Counter[tuple[str, str]], jobs: int, rate: float) -> str:
    """The table: microseconds of processor time by the job."""
    micros = 1e6 / FREQUENCY / jobs
    rows = []
    for who in (WORKER, FETCHER, REDIS, "other threads"):
        whole = sum(count for (whose, _), count in samples.items() if whose == who)
        rows.append([f"**{who}**", "", f"**{whole * micros:.2f}**"])
        inner = [(what, count) for (whose, what), count in samples.items() if whose == who]
        for what, count in sorted(inner, key=lambda each: -each[1]):
            if what != "all":
                rows.append(["", what, f"{count * micros:.2f}"])
    rows.append(["**all**", f"{rate:,.0f} jobs a second under perf", f"**{sum(samples.values()) * micros:.2f}**"])
    return table(["who", "what", "us a job"], rows)


if __name__ == "__main__":
    main()
