"""Every code block of the documentation does what it shows, on a real server."""

from pathlib import Path

import pytest

from .blocks import ROOT, blocks, pages
from .reading import Page

NOT_RUN = Path(__file__).with_name("not_run.txt")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).with_suffix("").as_posix())
def test_every_block_runs(path: Path, tmp_path: Path, redis_url: str) -> None:
    with Page(tmp_path, redis_url) as page:
        for block in blocks(path):
            page.run(block)


def test_what_is_not_run_is_known() -> None:
    found = sorted(f"{block.page}: {block.not_run}" for path in pages() for block in blocks(path) if block.not_run)
    assert found == NOT_RUN.read_text().splitlines()
