"""Compares this tree with the stored baseline: instruction counts, and times as multiples of a floor.

    python benches/check.py                 make bench-check: exit 1 when something has become too much slower
    python benches/check.py --rewrite       make bench-baseline: this tree is the baseline from now on
    ... --only counts | --only ratios, --sessions N

A count is judged where it repeats: 10 % more of the core's own instructions is too many, and of all instructions when
interpreter and C library are the baseline's too. Counts of all threads of a process, and those of another compiler, may
grow by 25 %. Times are judged only as a catastrophe, by the best of the sessions: twice the baseline's ratio, or four
times where several threads work, which a machine with other things to do holds up as much.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import callgrind
import counts
import ratios
from callgrind import Count
from counts import UNSTEADY, Suite
from ratios import Ratio

FOLDER: Final = Path(__file__).parent / "baseline"
COUNTS: Final = FOLDER / "counts.json"
RATIOS: Final = FOLDER / "ratios.json"
CATASTROPHE: Final = 2.0
THREADED: Final = ("5,000 jobs", "drain")
"""How the groups begin in which several threads work; CATASTROPHE is twice as much for them."""


def check_counts(suites: list[Suite], tools: dict[str, str], baseline: dict[str, Any]) -> list[str]:
    """Prints each count beside its baseline; answers what has grown too much."""
    failures = []
    for suite in suites:
        known = baseline.get(f"{suite.name} on {suite.key}")
        print(
            f"\nInstructions an operation, {suite.name} on {suite.key}" + ("" if known else ": no baseline, not judged")
        )
        known = known or {"tools": {}, "cases": {}}
        tolerance = suite.tolerance if known["tools"].get("compiler") == tools["compiler"] else UNSTEADY
        same = known["tools"].get("interpreter") == tools["interpreter"]
        for case, now in suite.cases.items():
            before = Count(**known["cases"][case], functions={}) if case in known["cases"] else None
            print(f"  {case:24} core {against(now.core, before.core if before else None)}", end="")
            print(f"   all {against(now.total, before.total if before and same else None)}")
            if before and now.core > before.core * (1 + tolerance):
                failures.append(f"{case}: {grown(now.core, before.core)} of the core's instructions")
            elif before and same and now.total > before.total * (1 + tolerance):
                failures.append(f"{case}: {grown(now.total, before.total)} of all instructions")
        failures += [
            f"{case}: in the baseline, and no longer measured" for case in known["cases"] if case not in suite.cases
        ]
    return failures


def against(now: float, before: float | None) -> str:
    return f"{now:12,.0f} {grown(now, before) if before else '':>8}"


def grown(now: float, before: float) -> str:
    return f"{(now / before - 1) * 100:+.1f} %"


def check_ratios(measured: dict[str, Ratio], baseline: dict[str, Any]) -> list[str]:
    """Prints each ratio beside its baseline; answers the catastrophes."""
    failures = []
    print(f"\nTimes as multiples of the floor{'median':>25} {'min':>7} {'max':>7}   baseline")
    for name, now in measured.items():
        before = baseline.get("ratios", {}).get(name)
        print(
            f"  {name:46} {now.median:7.2f} {now.min:7.2f} {now.max:7.2f}",
            f"{before['median']:10.2f}" if before else "",
        )
        limit = CATASTROPHE * (2 if name.startswith(THREADED) else 1)
        if before and now.min > before["median"] * limit:
            failures.append(f"{name}: {now.min:.2f} times its floor at best, {before['median']:.2f} in the baseline")
    return failures


def rewrite_counts(suites: list[Suite], tools: dict[str, str], baseline: dict[str, Any]) -> None:
    """Counts of other platforms stay."""
    for suite in suites:
        cases = {case: {"total": count.total, "core": count.core} for case, count in suite.cases.items()}
        baseline[f"{suite.name} on {suite.key}"] = {"tools": tools, "cases": cases}
    write(COUNTS, baseline)


def rewrite_ratios(measured: dict[str, Ratio]) -> None:
    where = {"machine": platform.machine(), "interpreter": sys.version}
    write(RATIOS, where | {"ratios": {name: asdict(ratio) for name, ratio in measured.items()}})


def read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {file}")


def without_valgrind() -> list[str]:
    """On Linux CI brings valgrind along; elsewhere there may be none."""
    print("\nInstructions: not counted, valgrind is not here (Debian: apt install valgrind)")
    in_ci = os.environ.get("FASTKIQ_CI") == "1" and sys.platform == "linux"
    return ["instruction counts: valgrind is not here"] if in_ci else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares this tree with benches/baseline.")
    parser.add_argument("--rewrite", action="store_true", help="make this tree the baseline")
    parser.add_argument("--only", choices=["counts", "ratios"])
    parser.add_argument("--sessions", type=int, default=3, help="how often to time everything (3)")
    options = parser.parse_args()
    failures: list[str] = []
    if options.only != "ratios" and not callgrind.available():
        failures += without_valgrind()
    elif options.only != "ratios":
        suites, tools = counts.measure(), counts.tools()
        failures += check_counts(suites, tools, read(COUNTS))
        if options.rewrite:
            rewrite_counts(suites, tools, read(COUNTS))
    if options.only != "counts":
        measured = ratios.measure(options.sessions)
        failures += check_ratios(measured, read(RATIOS))
        if options.rewrite:
            rewrite_ratios(measured)
    if failures and not options.rewrite:
        print("\nSlower than the baseline; when that is meant, `make bench-baseline` and say why in the commit:")
        print("\n".join(f"  {failure}" for failure in failures))
        sys.exit(1)


if __name__ == "__main__":
    main()
