"""The pytest plugin of fastkiq. It loads fastkiq when a test asks for one of its fixtures.

fastkiq_jobs      jobs are kept: a `fastkiq.testing.Jobs`
fastkiq_inline    jobs run at the push
fastkiq_redis     the URL of a real server with nothing in it, which this process uses
fastkiq_worker    real workers on it: a `fastkiq.testing.RealWorker`

All of them hold in every thread.
"""

import sys
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest

if TYPE_CHECKING:
    from fastkiq.testing import Jobs, RealWorker
    from fastkiq.testing.modes import Mode


@pytest.fixture
def fastkiq_jobs() -> "Iterator[Jobs]":
    """Keeps the jobs that the test enqueues, in every thread: see `fastkiq.testing.Jobs`."""
    from fastkiq import testing

    with testing.fake(everywhere=True) as jobs:
        yield jobs


@pytest.fixture
def fastkiq_inline() -> Iterator[None]:
    """Runs jobs where they are enqueued, in every thread: see `fastkiq.testing.inline`."""
    from fastkiq import testing

    with testing.inline(everywhere=True):
        yield


@pytest.fixture(scope="session")
def _fastkiq_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from fastkiq.testing import real

    folder = tmp_path_factory.mktemp("fastkiq")
    with real.server(folder):
        yield folder


@pytest.fixture
def fastkiq_redis(_fastkiq_folder: Path) -> Iterator[str]:
    """An embedded server of this test run, emptied for the test; `redis_url` of this process says so."""
    from fastkiq.testing import real

    with real.emptied(_fastkiq_folder) as url:
        yield url


@pytest.fixture
def fastkiq_worker(fastkiq_redis: str) -> "Iterator[RealWorker]":
    """Workers on threads beside the test, started by its first `drain()`: see `fastkiq.testing.RealWorker`."""
    from fastkiq.testing import RealWorker

    worker = RealWorker(fastkiq_redis)
    try:
        yield worker
    finally:
        worker.stop()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    """What a fixture enters it leaves at its own end, also one that is asked for in the middle of a test."""
    before = _opened()
    try:
        return (yield)
    finally:
        _of_fixtures.update(mode for mode in _opened() if mode not in before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A mode that a test's own body has entered and not left must not reach the next test."""
    before = _opened()
    try:
        answer = yield
    finally:
        left = [mode for mode in _opened() if mode not in before and mode not in _of_fixtures]
        for mode in left:
            sys.modules["fastkiq.testing.modes"].end(mode)
    if left:
        warnings.warn(
            pytest.PytestWarning(f"{item.nodeid} left a mode of fastkiq.testing on, which ends here"), stacklevel=1
        )
    return answer


_of_fixtures: "WeakSet[Mode]" = WeakSet()


def _opened() -> "list[Mode]":
    modes = sys.modules.get("fastkiq.testing.modes")
    return [] if modes is None else modes.opened()
