"""What a second try may make good, and what not: `tests/second_try.py` on test suites of its own."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ONCE = """
    from pathlib import Path
    import os, pytest
    before = Path(__file__).with_name("before")
    first = not before.exists()
    before.touch()
"""


@pytest.mark.parametrize(
    ("source", "arguments", "code"),
    [
        ("def test_one(): assert not first", [], 0),
        ("def test_one(): assert not first\ndef test_two(): assert False", ["-x"], 1),
        ("def test_one():\n    if not first: pytest.skip('later')\n    assert False", [], 1),
        ("def test_one():\n    if 'PYTEST_XDIST_WORKER' in os.environ: os._exit(3)", ["-n", "1"], 1),
        ("assert 'PYTEST_XDIST_WORKER' not in os.environ\ndef test_one(): pass", ["-n", "1"], 1),
    ],
    ids=["passes", "behind the first failure", "skipped", "crashed", "not collected"],
)
def test_only_what_passes_alone_has_passed(tmp_path: Path, source: str, arguments: list[str], code: int) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    script = folder / "second_try.py"
    script.write_text(Path(__file__).with_name("second_try.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(f"{dedent(ONCE)}\n{source}\n")
    run = subprocess.run([sys.executable, script, "tests", *arguments], capture_output=True, text=True, timeout=50)
    assert run.returncode == code, run.stdout
    assert (tmp_path / "target" / "second_try.txt").exists() == (code == 0)
