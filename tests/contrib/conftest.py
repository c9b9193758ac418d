"""Fixtures of the tests of fastkiq.contrib: a configuration of the test's own, PostgreSQL."""

from collections.abc import Iterator

import pytest

from fastkiq import Config, outlets
from fastkiq import config as configuration
from postgres_server import is_missing
from postgres_server import postgres as server


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    """The configuration of this process, on the test's server; what the test adds to it is gone after the test."""
    own = Config(redis_url=redis_url, connect_timeout=1.0)
    own._loaded = True
    before = configuration.replace_default(own)
    present = outlets.present
    yield own
    outlets.present = present
    configuration.replace_default(before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """`127.0.0.1:PORT/postgres` of a server for this session's tests."""
    if is_missing():
        pytest.skip("no PostgreSQL on this machine; .ci/run installs it")
    with server() as found:
        yield f"{found.entry['HOST']}:{found.entry['PORT']}/{found.entry['NAME']}"
