"""What the tests of converted arguments share: workers by their annotations, and what travels. An annotation in quotes
is looked up here."""

import inspect
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import TypeAliasType

import fastkiq
from fastkiq import Config, _core
from fastkiq import config as configuration
from fastkiq.bound import Bound

ID = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2026, 11, 27, 12, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))
Json = dict[str, "Json"] | list["Json"] | str | float | None
Tree = dict[str, "Tree"] | list[UUID]
Forest = TypeAliasType("Forest", "list[Forest] | bool")


def worker(*annotations: Any, name: str = "typed.Takes") -> Bound[...]:
    """One whose `perform` has parameters a, b, ... annotated so, and answers them."""

    def perform(self: Any, *args: Any) -> Any:
        return list(args)

    parameters = [
        inspect.Parameter(letter, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
        for letter, annotation in zip("abcdef", annotations, strict=False)
    ]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    perform.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    made: type[fastkiq.Worker] = type("Takes", (fastkiq.Worker,), {"perform": perform}, name=name)
    return made.__fastkiq__.bound


def wire(annotation: Any, value: Any) -> Any:
    """The value as it travels."""
    bound = worker(annotation)
    [stored] = bound.arguments([value], {})
    return _core.decode(_core.encode(stored))


@pytest.fixture
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)
