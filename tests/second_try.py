"""Runs pytest as it is asked to; where a few tests have failed, those once more, alone. What CI does, and nobody else.

    python tests/second_try.py [ARGUMENTS OF PYTEST]

Thousands of tests wait for real processes on whatever machine CI has, and a bound of time that was missed there once
says little. What fails twice has failed, and so has what must not happen once: see NEVER. Whatever needed its second
try is written to target/second_try.txt, which CI prints at its end: each line is a fault, of the test or of ours.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

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
NOTES: Final = ROOT / "target" / "second_try.txt"


def main(args: list[str]) -> int:
    """The exit code of pytest."""
    pytest = [sys.executable, "-m", "pytest"]
    code = subprocess.call([*pytest, "--cache-clear", *args], cwd=ROOT)
    if code != 1:
        return code
    failed = sorted(json.loads(LAST_FAILED.read_text()))
    if not 0 < len(failed) <= MOST or any(test.startswith(NEVER) for test in failed):
        return code
    print(f"second try, alone: {' '.join(failed)}", flush=True)
    code = subprocess.call([*pytest, *failed], cwd=ROOT)
    if code == 0:
        NOTES.parent.mkdir(exist_ok=True)
        with NOTES.open("a") as notes:
            notes.writelines(f"{test}\n" for test in failed)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
