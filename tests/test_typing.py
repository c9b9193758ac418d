"""The enqueue calls are checked from `perform`'s own signature, by mypy --strict and by pyright."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "typing_cases"
PACKAGE = CASES.parents[1] / "python"


def expected(name: str) -> set[int]:
    lines = (CASES / name).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def mypy(cache: Path) -> dict[str, set[int]]:
    """The lines that mypy --strict complains about, by file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--no-pretty"]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE)}
    done = subprocess.run(
        [*command, f"--cache-dir={cache}", "right.py", "wrong.py"],
        cwd=CASES,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {}
    for name, line in re.findall(r"^(\w+\.py):(\d+): error:", done.stdout, re.MULTILINE):
        found.setdefault(name, set()).add(int(line))
    return found


def pyright() -> dict[str, set[int]]:
    """The lines that pyright complains about, by file."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "-p", str(CASES)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        if each["severity"] == "error":
            found.setdefault(Path(each["file"]).name, set()).add(each["range"]["start"]["line"] + 1)
    return found


@pytest.mark.timeout(150)
def test_mypy_accepts_right_calls_and_refuses_wrong_ones(tmp_path: Path) -> None:
    assert mypy(tmp_path) == {"wrong.py": expected("wrong.py")}


@pytest.mark.timeout(150)
def test_pyright_accepts_right_calls_and_refuses_wrong_ones() -> None:
    assert pyright() == {"wrong.py": expected("wrong.py")}
