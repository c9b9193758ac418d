"""The pytest-benchmark suites of benches/micro, and how each benchmark stands to the floor of its group.

python benches/ratios.py [PYTEST OPTION ...]       one session: the table, then the ratios
"""

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

SUITES: Final = Path(__file__).parent / "micro"
FLOOR: Final = "test_floor_"
COLUMNS: Final = "--benchmark-columns=min,median,max,rounds"


@dataclass(frozen=True)
class Ratio:
    """A benchmark's median by its floor's median, over several sessions."""

    median: float
    min: float
    max: float


def session(*options: str, quiet: bool) -> dict[str, float]:
    """Runs all suites once; the ratio by name. What pytest prints is shown, or only when it fails."""
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "-c", str(SUITES / "pytest.ini"), str(SUITES), "--quiet", COLUMNS]
        ran = subprocess.run([*command, f"--benchmark-json={results}", *options], capture_output=quiet, text=True)
        if ran.returncode:
            raise SystemExit(f"{ran.stdout or ''}{ran.stderr or ''}benches/micro: pytest answered {ran.returncode}")
        return by_floor(json.loads(results.read_text())["benchmarks"])


def by_floor(benchmarks: list[dict[str, Any]]) -> dict[str, float]:
    """A floor is of the group, and of the parameter when it has one."""
    floors = {(one["group"], one["param"]): one for one in benchmarks if one["name"].startswith(FLOOR)}
    ratios = {}
    for one in benchmarks:
        floor = floors.get((one["group"], one["param"])) or floors.get((one["group"], None))
        if floor is not None and floor is not one:
            name = f"{one['group']}: {one['name'].removeprefix('test_')}"
            ratios[name] = one["stats"]["median"] / floor["stats"]["median"]
    return ratios


def measure(sessions: int) -> dict[str, Ratio]:
    """Floor and subject take turns, session by session: a slow minute hits both."""
    seen: dict[str, list[float]] = defaultdict(list)
    for number in range(1, sessions + 1):
        print(f"session {number} of {sessions} ...", file=sys.stderr, flush=True)
        for name, ratio in session(quiet=True).items():
            seen[name].append(ratio)
    return {name: Ratio(*(round(of(each), 3) for of in (median, min, max))) for name, each in seen.items()}


if __name__ == "__main__":
    shown = session(*sys.argv[1:], quiet=False)
    print("\nTimes as multiples of the floor of the group:")
    for name, ratio in shown.items():
        print(f"  {name:50} {ratio:8.2f}")
