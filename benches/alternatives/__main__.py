"""What lost: the forms a flight could have, side by side on one private Redis.

    .venv/bin/python benches/alternatives                    measures (about 2 minutes); goes on where it was broken off
    .venv/bin/python benches/alternatives --report           writes the tables into docs/performance.md
    .venv/bin/python benches/alternatives/wheels.py --help   two wheels of fastkiq side by side, such as abi3 or not

Raw results: benches/results/alternatives.jsonl.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import flights
import report
from forms import FORMS
from lab import REPOSITORY, RESULTS, document
from lab.rounds import Results

DOCUMENT = REPOSITORY / "docs" / "performance.md"
SIZES = (100, 256, 500)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benches/alternatives", description="The forms a flight could have, measured."
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=100_000, help="a measurement")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="jobs a claim, with commas")
    parser.add_argument("--only", default=",".join(FORMS), help="forms, with commas: " + ", ".join(FORMS))
    parser.add_argument("--again", action="store_true", help="drop what has been measured before")
    parser.add_argument("--report", action="store_true", help="write the tables, measure nothing")
    options = parser.parse_args()
    results, pairs = Results(RESULTS / "alternatives.jsonl"), Results(RESULTS / "wheels.jsonl")
    names, sizes = options.only.split(","), [int(size) for size in options.sizes.split(",")]
    if unknown := set(names) - set(FORMS):
        parser.error(f"no such form: {', '.join(sorted(unknown))}")
    if options.report:
        lines = [*report.table(results.read()), "", *report.wheels_table(pairs.read())]
        document.fill(DOCUMENT, "alternatives", "\n".join(lines))
        return 0
    if options.again:
        results.forget(f"claim {size}" for size in sizes)
    flights.measure(results, names, sizes, options.rounds, options.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
