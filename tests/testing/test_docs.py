"""docs/testing.md, as one file of tests: its code runs, its tests pass, and its message is what is printed."""

import re
import subprocess
import sys
from pathlib import Path

from children import clean_environment
from fastkiq import testing

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_run(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) > 8
    (tmp_path / "app.py").write_text(blocks[0])
    (tmp_path / "test_page.py").write_text(
        "from app import *\n" + "".join(blocks[1:]) + "\nimport asyncio\nasyncio.run(run())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "_fastkiq_pytest", "test_page.py"],
        cwd=tmp_path,
        env=clean_environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert "10 passed" in done.stdout, done.stdout + done.stderr
    shown = re.search(r"^```\n(no such job.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert shown is not None
    documented = re.sub(r"at=\S+", "at=", shown[1])
    assert documented in re.sub(r"at=\S+", "at=", done.stdout)


def test_what_is_public_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in testing.__all__:
        assert re.search(rf"`[^`]*\b{name}\b|^ *from fastkiq\.testing import .*\b{name}\b", text, re.MULTILINE), name
    usual = {"count", "index"}  # of every sequence
    for kind in (testing.Jobs, testing.RealWorker):
        for name in {each for each in dir(kind) if not each.startswith("_")} - usual:
            assert re.search(rf"\b{name}\b", text), f"{kind.__name__}.{name}"
