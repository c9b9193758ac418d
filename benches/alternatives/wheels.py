"""Two wheels of fastkiq side by side, each in an environment of its own, in turn on one private Redis.

What differs between them must be the change alone: A is built from the same commit as B, in the same way, without it.

    .venv/bin/python benches/alternatives/wheels.py --a dist/fastkiq-...whl --b /tmp/other/fastkiq-...whl --name "abi3"
    .venv/bin/python benches/alternatives --report       writes the table into docs/performance.md

A wheel for the stable ABI, to compare with the one of `make wheel`:

    CARGO_TARGET_DIR=/tmp/abi3 .venv/bin/maturin build --release --locked --features pyo3/abi3-py311 \\
        --interpreter /usr/bin/python3 --out /tmp/abi3/wheels

Acks by a thread and a connection of their own: `git apply benches/alternatives/acks-thread.patch` in a clone (its first
lines say at which commit), build as above without --features, --name "acks by a thread".

Raw results: benches/results/wheels.jsonl. About a minute a pair.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import RESULTS
from lab.process import run
from lab.rounds import Contender, Measurement, Results, interleave
from lab.server import PrivateServer
from lab.venv import environment
from scaling.workers import drain, keep_jobs, pushed

CODEC = Path(__file__).with_name("codec.py")


def coding(python: Path, what: str, seconds: float) -> Contender:
    def once(_: int) -> Measurement:
        return Measurement(json.loads(run([python, CODEC, str(seconds)]))[what], "calls/s")

    return once


def pushing(python: Path, server: PrivateServer, how: str, jobs: int) -> Contender:
    def once(_: int) -> Measurement:
        server.flush()
        told = pushed(python, server.url, how, jobs)
        return Measurement(jobs / (told["ended"] - told["began"]), "jobs/s")

    return once


def draining(python: Path, server: PrivateServer, concurrency: int, jobs: int) -> Contender:
    def once(_: int) -> Measurement:
        keep_jobs(python, server, jobs)
        found = drain(python, server, 1, jobs, concurrency)
        return Measurement(
            jobs / found.seconds,
            "jobs/s",
            worker_us=found.worker_cpu / jobs * 1e6,
            redis_us=found.redis.cpu / jobs * 1e6,
        )

    return once


def main() -> int:
    parser = argparse.ArgumentParser(prog="wheels.py", description="Two wheels of fastkiq side by side.")
    parser.add_argument("--a", required=True, type=Path, help="the wheel to compare with")
    parser.add_argument("--b", required=True, type=Path, help="the wheel that is compared")
    parser.add_argument("--name", required=True, help='what is different about the second, such as "abi3"')
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--jobs", type=int, default=300_000, help="a drain, and a bulk push; a tenth of it pushed singly"
    )
    parser.add_argument("--only", default="", help='works whose name begins so, such as "drain"')
    parser.add_argument("--again", action="store_true", help="drop what has been measured of this pair before")
    options = parser.parse_args()
    pythons = {
        each: environment(f"wheel-{each}", (), wheel.resolve()) for each, wheel in (("a", options.a), ("b", options.b))
    }
    results = Results(RESULTS / "wheels.jsonl")
    with PrivateServer() as server:
        workloads: dict[str, dict[str, Contender]] = {}
        for each, python in pythons.items():
            for work, contender in {
                "drain, -c 10": draining(python, server, 10, options.jobs),
                "drain, -c 25": draining(python, server, 25, options.jobs),
                "perform_bulk": pushing(python, server, "bulk", options.jobs),
                "perform_async": pushing(python, server, "single", options.jobs // 10),
                "encode": coding(python, "encode", 0.5),
                "decode": coding(python, "decode", 0.5),
            }.items():
                if work.startswith(options.only):
                    workloads.setdefault(f"{options.name}: {work}", {})[each] = contender
        if options.again:
            results.forget(workloads)
        for name, contenders in workloads.items():
            interleave(name, contenders, options.rounds, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
