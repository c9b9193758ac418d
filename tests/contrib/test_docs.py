"""Every Python block of the pages on frameworks runs, one after the other, as the page stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from children import clean_environment

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("flask", "fastapi", "sqlalchemy", "sentry", "opentelemetry")


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: str, redis_url: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.+?)^```$", (DOCS / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    script = tmp_path / f"{page}_page.py"
    script.write_text("\n".join(blocks))
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:Using `httpx`", script.name],
        cwd=tmp_path,
        env=clean_environment({"FASTKIQ_REDIS_URL": redis_url}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
