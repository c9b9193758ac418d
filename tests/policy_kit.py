"""What the tests of the retry policy share: a policy with a clock that stands, and a way to fail."""

from typing import Any

import pytest

from fakes import FakeUnit, define
from fastkiq import registry
from fastkiq.config import Config
from fastkiq.policy import RetryPolicy

NOW = 1_795_306_000.0
NOW_MS = int(NOW * 1000)


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def policy(config: Config) -> RetryPolicy:
    return RetryPolicy(config, clock=lambda: NOW, jitter=lambda bound: bound - 1)


class Seen(list[Any]):
    """What the handlers were told."""

    def watch(self, config: Config) -> "Seen":
        config.death_handlers.append(lambda job, error: self.append(("died", job, error)))
        config.error_handlers.append(lambda error, context: self.append(("error", error, context)))
        return self

    def kinds(self) -> list[str]:
        return [entry[0] for entry in self]


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def fail(policy: RetryPolicy, error: BaseException, entry: registry.Entry | None = None, **fields: Any) -> FakeUnit:
    entry = entry or define()
    unit = FakeUnit(entry, **fields)
    policy.failed(unit, entry, raised(error), 0.5)  # type: ignore[arg-type]
    return unit
