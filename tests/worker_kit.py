"""For tests that define workers: afterwards these are forgotten."""

from collections.abc import Iterator

import pytest

from fastkiq import registry


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    before = registry.snapshot()
    registry.restore({})
    yield
    registry.restore(before)
