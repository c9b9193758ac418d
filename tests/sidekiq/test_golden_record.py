"""The recording of `make golden` is what this Sidekiq does: it cannot rot."""

import pytest
import redis as redis_py

from golden import recorded
from sidekiq.judge import Ruby
from sidekiq.record_golden import record


@pytest.mark.timeout(120)
def test_it_is_recorded_as_it_is(ruby: Ruby, redis: redis_py.Redis) -> None:
    assert record(ruby, redis) == recorded()
