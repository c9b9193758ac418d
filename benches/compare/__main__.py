"""`make compare`: fastkiq and its peers, the same work in turn on one private Redis, each in its own environment.

    python benches/compare                                  all there is: install, three rounds, kill -9, document
    python benches/compare --only fastkiq,rq --workloads drain,bulk --rounds 5
    python benches/compare --check --only rq                do all jobs of a small number run, each once?
    python benches/compare --kill                           only what kill -9 interrupts, and how long recovery takes
    python benches/compare --report                         only the document, from what has been measured

A run goes on where the last one ended: what is in benches/results/compare.jsonl is not measured again; `--fresh`
begins anew, `--retry` repeats what failed.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))

from check import check
from contender import WORKLOADS, Contender, ContenderError, load_all
from install import NotHere, harness, install, version
from kill import kill_all
from lab import RESULTS
from lab.environment import facts
from lab.rounds import Record, Results
from lab.server import PrivateServer
from lab.venv import INTERPRETER
from measure import Bench
from records import MeasureError

DOCUMENTS = RESULTS.parents[1] / "docs"
ROUNDS = 3
UNITS = {"wakeup": "ms", "rest": "MB"}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through all `with` blocks: nothing is left running
    options = arguments()
    try:
        contenders = load_all(options.only)
    except ContenderError as error:
        sys.exit(str(error))
    trial = options.scale != 1
    results = Results(RESULTS / (f"trial-{os.getpid()}/raw.jsonl" if trial else "compare.jsonl"))
    if options.fresh:
        results.keep(lambda _: False)
    if not options.report:
        ready = [each for each in contenders if installed(each, options.wheel, results)]
        if options.check:
            sys.exit(1 if check(ready, options.workloads) else 0)
        try:
            harness()
        except (RuntimeError, OSError) as error:
            sys.exit(f"benches/compare: the plots could not be drawn here: {error}")
        if options.install:
            return
        if options.kill is not True:
            measure_all(ready, options, results)
        if options.kill is not False:
            kill_all(ready, results, options.rounds or 1 if options.kill else 1, options.retry)
    part = bool(options.only) or set(options.workloads) != set(WORKLOADS)
    if part and not options.report and not trial:
        print("a part was measured: `benches/compare --report` writes the document from all that is in benches/results")
        return
    from report import write

    write(results.read(), load_all(), results.path.parent if trial else DOCUMENTS)


def installed(contender: Contender, wheel: Path | None, results: Results) -> bool:
    """Whether it can run here; if not, a record says why."""
    results.keep(lambda old: (old["workload"], old["contender"]) != ("install", contender.name))
    record: Record = {"workload": "install", "contender": contender.name, "round": 0}
    try:
        print(f"  {contender.name}", end=" ", flush=True)
        install(contender, wheel)
        record |= {"version": version(contender)}
        print(f"is there: {record['version']}", flush=True)
    except NotHere as reason:
        print(f"cannot run here: {reason}", flush=True)
        record |= {"absent": str(reason)}
    results.append(record)
    return "version" in record


def measure_all(contenders: list[Contender], options: argparse.Namespace, results: Results) -> None:
    """Round after round, in each round workload after workload, in each workload one contender after another."""
    done = {
        (record["workload"], record["contender"], record["round"])
        for record in results.read()
        if record["workload"] in WORKLOADS and ("value" in record or not options.retry)
    }
    if done:
        print(f"  {len(done)} measurements are there and are kept; --fresh begins anew", flush=True)
    note_environment(contenders, results)
    with PrivateServer() as server, tempfile.TemporaryDirectory(prefix="fastkiq-compare-") as folder:
        bench = Bench(server, Path(folder), options.scale)
        for number in range(options.rounds or ROUNDS):
            for workload in options.workloads:
                turn = number % len(contenders)
                for contender in contenders[turn:] + contenders[:turn]:
                    if workload in contender.workloads and (workload, contender.name, number) not in done:
                        measure(bench, contender, workload, number, results)


def note_environment(contenders: list[Contender], results: Results) -> None:
    """What the document has to name: the machine, the interpreters, the server."""
    found = {each.name: each for each in contenders}
    python = found["fastkiq"].python if "fastkiq" in found else INTERPRETER
    results.forget(["environment"])
    results.append({"workload": "environment", "contender": "", "round": 0, "facts": facts(python)})


def measure(bench: Bench, contender: Contender, workload: str, number: int, results: Results) -> None:
    """One line of the results; a failure is one too."""
    began = time.monotonic()
    record: Record = {"workload": workload, "contender": contender.name, "round": number}
    try:
        record |= {**bench.measure(contender, workload), "unit": UNITS.get(workload, "jobs/s")}
    except Exception as error:  # whatever it was, the others go on
        told = str(error) if isinstance(error, MeasureError) else f"{type(error).__name__}: {error}"
        record |= {"error": told[:600]}
    results.keep(lambda old: any(old.get(key) != record[key] for key in ("workload", "contender", "round")))
    results.append({**record, "at": round(time.time(), 3)})
    shown = f"{record['value']:>12,.6g} {record['unit']}" if "value" in record else f"failed: {record['error']}"
    took = time.monotonic() - began
    print(f"round {number + 1}  {workload:8} {contender.name:18} {shown}  ({took:.1f} s)", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=names, default=[], metavar="NAME,...", help="these contenders (all)")
    parser.add_argument("--workloads", type=names, default=list(WORKLOADS), metavar="NAME,...", help="these (all)")
    parser.add_argument("--rounds", type=int, help=f"({ROUNDS}; of --kill 1)")
    parser.add_argument("--scale", type=float, default=1.0, help="0.02 of the jobs, for a trial that is not kept")
    parser.add_argument("--wheel", type=Path, help="of fastkiq; else the newest in dist/, where `make wheel` puts it")
    parser.add_argument("--install", action="store_true", help="install and end")
    parser.add_argument("--check", action="store_true", help="verify that each contender runs each job once, and end")
    parser.add_argument("--kill", action=argparse.BooleanOptionalAction, help="only the kill -9 row, or all but it")
    parser.add_argument("--report", action="store_true", help="only write the document")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--retry", action="store_true", help="measure again what failed")
    options = parser.parse_args()
    unknown = set(options.workloads) - set(WORKLOADS)
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are: {', '.join(WORKLOADS)}")
    return options


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    main()
