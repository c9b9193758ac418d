"""Fixtures of the tests of the inspection API.

inspected     a client of `fastkiq.api.connect` to `redis_url`
"""

import pytest

from fastkiq import api


@pytest.fixture
def inspected(redis_url: str) -> api.Redis:
    return api.connect(url=redis_url)
