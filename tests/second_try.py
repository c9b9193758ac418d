"""Runs pytest as it is asked to; where a few tests have failed, those once more, alone. What CI does, and nobody else.

    python tests/second_try.py [ARGUMENTS OF PYTEST]

Thousands of tests wait for real processes on whatever machine CI has, and a bound of time that was missed there once
says little. What fails twice has failed, and so has what must not happen once: see NEVER. Whatever needed its second
try is written to target/second_try.txt, which CI prints at its end: each line is a fault, of the test or of ours.
There is no second try where a process of xdist has crashed, which no bound of time can explain, or where a module could
not be collected; and a test that is skipped at its second try has not passed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

MOST: Final = 3
"""With more failures something is wrong."""
NEVER: Final = (
    "tests/faults/",
    "tests/fuzz/",
    "tests/model/",
    "tests/integration/test_harm.py",
    "tests/test_recover.py",
)
"""Tests of what is lost, doubled or harmed: once is too often."""
ROOT: Final = Path(__file__).parents[1]
LAST_FAILED: Final = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
REPORT: Final = ROOT / ".pytest_cache" / "second_try.xml"
NOTES: Final = ROOT / "target" / "second_try.txt"


def main(args: list[str]) -> int:
    """The exit code of pytest."""
    pytest = [sys.executable, "-m", "pytest"]
    # After an end at the first failure nobody would know of the tests behind it.
    code = subprocess.call([*pytest, "--cache-clear", *args, f"--junitxml={REPORT}", "--maxfail=0"], cwd=ROOT)
    if code != 1:
        return code
    failed = sorted(json.loads(LAST_FAILED.read_text()))
    if not 0 < len(failed) <= MOST or any(test.startswith(NEVER) for test in failed):
        return code
    if any("crashed while running" in said or said == "collection failure" for said in _said("failure", "error")):
        return code
    print(f"second try, alone: {' '.join(failed)}", flush=True)
    code = subprocess.call([*pytest, *failed, f"--junitxml={REPORT}"], cwd=ROOT)
    if code == 0 and any(_said("skipped")):
        return 1
    if code == 0:
        NOTES.parent.mkdir(exist_ok=True)
        with NOTES.open("a") as notes:
            notes.writelines(f"{test}\n" for test in failed)
    return code


def _said(*kinds: str) -> Iterator[str]:
    """The messages of results of these kinds in pytest's report."""
    for result in ElementTree.parse(REPORT).iter():
        if result.tag in kinds:
            yield result.get("message", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
