"""Every test here begins with no mode, the workers of `testing_workers.py`, nothing run, and middleware of its own."""

from collections.abc import Iterator

import pytest

import testing_workers
from _fastkiq_pytest import _fastkiq_folder, fastkiq_inline, fastkiq_jobs, fastkiq_redis, fastkiq_worker
from fastkiq import Config, outlets, testing
from fastkiq import config as configuration
from fastkiq.testing import Jobs, modes

__all__ = ["_fastkiq_folder", "fastkiq_inline", "fastkiq_jobs", "fastkiq_redis", "fastkiq_worker"]


@pytest.fixture(autouse=True)
def config() -> Iterator[Config]:
    """No Redis is where it says: a push that gets through fails."""
    testing_workers.ran.clear()
    own = Config(redis_url="redis://127.0.0.1:1")
    own._loaded = True
    before = configuration.replace_default(own)
    yield own
    configuration.replace_default(before)
    assert modes.opened() == []
    assert outlets.present == ()
    assert outlets.clock is None


@pytest.fixture
def jobs(config: Config) -> Iterator[Jobs]:
    with testing.fake() as kept:
        yield kept
