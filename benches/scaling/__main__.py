"""What one Redis carries: drain and push by several processes, claims and nothing else, latency, heartbeats, memory.

    .venv/bin/python benches/scaling            measures (about 6 minutes); goes on where it was broken off
    .venv/bin/python benches/scaling --report   writes the figures into docs/scaling.md

Needs a wheel: `make wheel`, or --wheel FILE. Raw results: benches/results/scaling.jsonl.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import REPOSITORY, RESULTS
from lab import floor as lab_floor
from lab.environment import facts
from lab.rounds import Results, interleave
from lab.server import PrivateServer
from lab.venv import built_wheel, environment
from scaling import loads, memory, report

PROCESSES = (1, 2, 4)
PAYLOADS = (180, 1_000)
AOF = ("appendonly yes", "appendfsync everysec", "auto-aof-rewrite-percentage 0")
Contenders = dict[str, loads.Once]


def workloads(python: Path, plain: PrivateServer, kept: PrivateServer, scale: float) -> dict[str, Contenders]:
    """By name; `kept` writes an append-only file."""

    def jobs(number: int) -> int:
        return max(2_000, int(number * scale))

    seconds = max(1.0, 10 * scale)  # each beats every 5 s
    drains, pushes = jobs(300_000), jobs(24_000)
    return {
        "drain": {
            **{
                counted(each, "process", "processes"): loads.draining(python, plain, each, drains) for each in PROCESSES
            },
            "2 processes, AOF": loads.draining(python, kept, 2, drains),
        },
        "push": {
            **{
                counted(each, "client", "clients"): loads.pushing(python, plain, each, "single", pushes)
                for each in PROCESSES
            },
            "4 clients, AOF": loads.pushing(python, kept, 4, "single", pushes),
            "redis-benchmark, 1 connection": loads.bare_pushing(plain, 1, pushes),
            "redis-benchmark, 50 connections": loads.bare_pushing(plain, 50, drains),
        },
        "bulk": {
            **{
                counted(each, "client", "clients"): loads.pushing(python, plain, each, "bulk", drains)
                for each in (1, 2)
            },
            "2 clients, AOF": loads.pushing(python, kept, 2, "bulk", drains),
        },
        "claim": {
            **{counted(each, "client", "clients"): loads.claiming(python, plain, each, drains) for each in (1, 2)},
            "2 clients, AOF": loads.claiming(python, kept, 2, drains),
        },
        "latency": {
            counted(each, "process", "processes"): loads.waiting(python, plain, each, 2 * drains)
            for each in (0, *PROCESSES)
        },
        "heartbeat": {
            "idle": loads.beating(python, plain, 8, seconds),
            "busy": loads.beating(python, plain, 8, seconds, busy=True),
            "busy, registry of 5,000": loads.beating(python, plain, 8, seconds, busy=True, others=4_992),
        },
        "memory": {
            f"{place}, {size}": memory.taking(plain, put, size, jobs(50_000))
            for place, put in memory.PLACES.items()
            for size in PAYLOADS
        },
    }


def counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches/scaling", description="What one Redis carries.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the job counts and times; 0.05 for a trial")
    parser.add_argument("--only", help="workloads, with commas: drain, push, bulk, claim, latency, heartbeat, memory")
    parser.add_argument("--wheel", help="of fastkiq; default: the newest in dist/")
    parser.add_argument("--results", type=Path, default=RESULTS / "scaling.jsonl", help="file of raw results")
    parser.add_argument("--again", action="store_true", help="drop what has been measured before")
    parser.add_argument("--report", action="store_true", help="write the figures, measure nothing")
    options = parser.parse_args()
    results = Results(options.results)
    if options.report:
        report.write(REPOSITORY / "docs" / "scaling.md", results.read())
        return 0
    python = environment("scaling", (), built_wheel(options.wheel))
    lab_floor.python()
    began = time.monotonic()
    with ExitStack() as stack:
        plain, kept = stack.enter_context(PrivateServer()), stack.enter_context(PrivateServer(*AOF))
        chosen = workloads(python, plain, kept, options.scale)
        names = options.only.split(",") if options.only else list(chosen)
        if unknown := set(names) - set(chosen):
            parser.error(f"no such workload: {', '.join(sorted(unknown))}")
        if options.again:
            results.forget([*names, "facts"])
        if not any(record["workload"] == "facts" for record in results.read()):
            results.append({"workload": "facts", "contender": "", "round": 0, "facts": facts(python)})
        for name in names:
            interleave(name, chosen[name], 1 if name in ("memory",) else options.rounds, results)
    print(f"{time.monotonic() - began:.0f} s; now: {parser.prog} --report")
    return 0


if __name__ == "__main__":
    sys.exit(main())
