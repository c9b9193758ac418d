"""What the tests of the processors share: a server without Redis, and a variable that jobs may set."""

import contextvars
from collections.abc import Iterator

import pytest

from fakes import FakeServer, FakeUnit
from fastkiq.config import Config

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.close()


def outcomes(*units: FakeUnit) -> list[str]:
    """What each was settled with."""
    return [unit.outcome[0] if unit.outcome else "none" for unit in units]
