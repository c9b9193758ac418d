"""`report.py RESULTS DOCUMENT`: writes the table of a long run into the document, between its marks."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- begin faults -->", "<!-- end faults -->"
HEAD = "| fault | injected | jobs | lost | ran twice | began again, or work resumed: p50 / p99 / most |"
Figures = dict[str, Any]


SUMMED = ("faults", "jobs", "lost", "twice", "interrupted", "unacknowledged", "pills")


def main(results: str, document: str) -> None:
    rows = merged([json.loads(line) for line in Path(results).read_text().splitlines()])
    path = Path(document)
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    table = "\n".join([conditions(rows), "", HEAD, "|---|---:|---:|---:|---|---|", *map(line, rows)])
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    print(f"{document}: {len(rows)} rows, {sum(row['jobs'] for row in rows):,} jobs")


def merged(rows: list[Figures]) -> list[Figures]:
    """One row a fault (and guard): counts are added up, of times the longest counts."""
    found: dict[str, Figures] = {}
    for row in rows:
        guard = f", {row['guard']}" if "guard" in row else ""
        name = f"{row['fault']}{guard}"
        known = found.setdefault(name, {"fault": name, **{key: 0 for key in SUMMED if key in row}})
        for key, value in row.items():
            if key in SUMMED:
                known[key] = known.get(key, 0) + value
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                known[key] = max(value, known.get(key, value))
    return list(found.values())


def conditions(rows: list[Figures]) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    faults, jobs, lost = (sum(row[key] for row in rows) for key in ("faults", "jobs", "lost"))
    theirs = sum(row["lost"] for row in rows if row["fault"].startswith(("failover", "embedded")))
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, commit {commit.strip()}: "
        f"{faults:,} faults, {jobs:,} jobs, {lost - theirs} lost by fastkiq. Servers had lost {theirs:,} that they had "
        "acknowledged: those promoted without `wait_replicas`, and the embedded one on a full disk. "
        "Two tests at a time, the long run alone."
    )


def line(row: Figures) -> str:
    cells = [row["fault"], f"{row['faults']:,}", f"{row['jobs']:,}", str(row["lost"]), twice(row), times(row)]
    return "| " + " | ".join(cells) + " |"


def twice(row: Figures) -> str:
    """How many, and why."""
    parts = []
    if "interrupted" in row:
        parts.append(f"{row['interrupted']:,} that ran")
    if row.get("unacknowledged"):
        oldest = row.get("oldest_unacknowledged_ms")
        before = "" if oldest is None else f", the oldest {oldest:.1f} ms before"
        parts.append(f"{row['unacknowledged']:,} that had just ended{before}")
    if not parts:
        parts.append(f"{row.get('twice', 0):,}")
    if row.get("pills"):
        parts.append(f"({row['pills']:,} in the dead set after three deaths)")
    return "; ".join(parts)


def times(row: Figures) -> str:
    if "p50_s" in row:
        return f"{row['p50_s']:.2f} / {row['p99_s']:.2f} / {row['most_s']:.2f} s"
    for key, what in (("resumed_s", ""), ("longest_stop_s", "stopped within "), ("work_after_s", "")):
        if key in row:
            return f"{what}{row[key]:.2f} s"
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
