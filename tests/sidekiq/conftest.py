"""Fixtures of the tests with a real Sidekiq; `tests/sidekiq/setup.sh` prints the FASTKIQ_RUBY that they want.

ruby(script, **given)      the answer of a script here; `ruby.serve(*options)` is a `sidekiq` process
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from sidekiq.judge import COMMAND, Ruby


@pytest.fixture(autouse=True)
def judge() -> None:
    """Without Ruby these tests are skipped as a whole."""
    if not COMMAND:
        unfit("FASTKIQ_RUBY does not say how to run a Ruby with Sidekiq; tests/sidekiq/setup.sh tells")


def unfit(reason: str) -> NoReturn:
    """Skips, but not in CI: there it would look like a pass."""
    if os.environ.get("FASTKIQ_CI") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def ruby(judge: None, redis_url: str, tmp_path: Path) -> Iterator[Ruby]:
    running = Ruby(redis_url, tmp_path)
    yield running
    running.close()
