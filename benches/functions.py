"""Where the instructions of each counted case go, by function.

python benches/functions.py [CASE ...]      make bench-functions; a CASE is a part of its name
"""

import sys

import callgrind
import counts

SHOWN = 15


def main(wanted: list[str]) -> None:
    if not callgrind.available():
        sys.exit("valgrind is not here (Debian: apt install valgrind)")
    for suite in counts.measure():
        for case, count in suite.cases.items():
            if wanted and not any(part in case for part in wanted):
                continue
            print(f"\n{case}, {suite.name}: {count.total:,.0f} instructions, {count.core:,.0f} in the core")
            for name, cost in sorted(count.functions.items(), key=lambda item: -item[1])[:SHOWN]:
                print(f"  {cost:10,.0f} {cost / count.total:6.1%}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
