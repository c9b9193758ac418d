"""`make goals`: the goals of fastkiq's speed, measured beside the floors and Sidekiq on one private Redis.

    python benches/goals                              every family but the long ones, three rounds: about 15 minutes
    python benches/goals --rows drain,push --rounds 5 these families, measured anew
    python benches/goals --long                       also five million jobs in a queue, and ten million in one process
    python benches/goals --resume                     goes on with a run that was interrupted
    python benches/goals --scale 0.02 --rounds 1      tries everything out in two minutes; says nothing of speed
    python benches/goals --report                     writes docs/performance.md from what has been measured

The fastkiq that is measured is the wheel in dist/ (`make wheel`), installed for Debian's python3 or the interpreter
that FASTKIQ_BENCH_PYTHON names. Raw results: benches/results/goals.jsonl.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import RESULTS, environment, floor, venv
from lab.rounds import Results
from lab.server import PrivateServer

from goals import depth, drain, fairness, lateness, push, report, rest, waiting, wakeup
from goals.bench import Bench
from goals.sidekiq import Sidekiq, version
from goals.stock import Stock
from goals.table import LONG

REQUIREMENTS = ("redis==8.0.1", "hiredis==3.4.0")
"""redis-py for the job that asks Redis something, with its fast parser as benches/compare has it for all peers."""

Family = Callable[[Bench, Stock, Sidekiq], None]
FAMILIES: dict[str, tuple[tuple[str, ...], Family]] = {
    "drain": (("drain",), drain.measure),
    "delay": (("delay",), lambda bench, stock, _: drain.measure_delay(bench, stock)),
    "push": (("bulk", "push"), lambda bench, _, sidekiq: push.measure(bench, sidekiq)),
    "wakeup": (("wakeup 1", "wakeup 12"), lambda bench, _, sidekiq: wakeup.measure(bench, sidekiq)),
    "waiting": (("sleep", "asleep"), lambda bench, _, sidekiq: waiting.measure(bench, sidekiq)),
    "middle": (("middle",), lambda bench, _, sidekiq: waiting.measure_middle(bench, sidekiq)),
    "rest": (("rest",), lambda bench, _, sidekiq: rest.measure(bench, sidekiq)),
    "depth": (("depth",), lambda bench, stock, _: depth.measure(bench, stock)),
    "lateness": (("lateness",), lambda bench, stock, _: lateness.measure(bench, stock)),
    "fairness": (("fairness",), lambda bench, *_: fairness.measure(bench)),
    "deep": (("deep",), lambda bench, stock, _: depth.measure_deep(bench, stock)),
    "growth": (("growth",), lambda bench, stock, _: rest.measure_growth(bench, stock)),
}
"""Name -> (workloads of its records, what measures them)."""


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server or worker outlives this
    results = Results(RESULTS / ("goals.jsonl" if options.scale == 1.0 else "goals-tried.jsonl"))
    if not options.report:
        try:
            python = venv.environment("goals", REQUIREMENTS, venv.built_wheel(options.wheel))
            floor.python()
        except (OSError, RuntimeError) as reason:
            sys.exit(f"benches/goals: {reason}")
        rows = options.rows or [name for name in FAMILIES if options.long or name not in LONG]
        if not options.resume:
            results.forget(workload for name in rows for workload in FAMILIES[name][0])
        results.forget([report.FACTS])
        facts = {**environment.facts(python), "sidekiq": version()}
        results.append({"workload": report.FACTS, "contender": "", "facts": facts})
        for name, value in facts.items():
            print(f"{name:10} {value}", flush=True)
        began = time.monotonic()
        failed = measure(rows, python, results, options)
        print(f"{(time.monotonic() - began) / 60:.1f} minutes", flush=True)
        if failed:
            print(f"families that failed as a whole: {', '.join(failed)}", file=sys.stderr)
    records = results.read()
    if options.report:
        report.write(records)
    print(report.summary(records))
    return 0


def measure(rows: list[str], python: Path, results: Results, options: argparse.Namespace) -> list[str]:
    """Each family on a server of its own; one that fails as a whole is named at the end."""
    failed = []
    for name in rows:
        with PrivateServer() as server, tempfile.TemporaryDirectory(prefix="fastkiq-goals-") as folder:
            bench = Bench(server, Path(folder), python, results, options.rounds, options.scale)
            stock = Stock(bench)
            try:
                FAMILIES[name][1](bench, stock, Sidekiq(bench))
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                failed.append(name)
            finally:
                stock.drop()
    return failed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/goals", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=families, metavar="NAME,...", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true", help=f"also {' and '.join(LONG)}")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the jobs, to try something out")
    parser.add_argument("--resume", action="store_true", help="keep the rounds that are complete")
    parser.add_argument("--report", action="store_true", help="write the document, measure nothing")
    parser.add_argument("--wheel", help="the wheel to measure (the newest in dist/)")
    options = parser.parse_args()
    if options.report and options.scale != 1.0:
        parser.error("what was tried on a smaller scale goes into no document")
    return options


def families(text: str) -> list[str]:
    """The names, each one known."""
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in FAMILIES]:
        raise argparse.ArgumentTypeError(f"no such family: {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
