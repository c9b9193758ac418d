"""Which `perform` a job can call, and how the arguments of a call are bound to it."""

from collections.abc import Iterator
from typing import Any

import pytest

import fastkiq
from fastkiq import ArgumentError, DefinitionError, registry
from worker_kit import names

__all__ = ["names"]


class Plain(fastkiq.Worker):
    def perform(self, name: str, count: int = 1, *rest: Any) -> None: ...


def keyword_only(self: Any, *, name: str) -> None: ...
def any_keyword(self: Any, **names: str) -> None: ...
def without_self() -> None: ...
def generator(self: Any) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("perform", "message"),
    [
        (keyword_only, "name is keyword-only"),
        (any_keyword, r"\*\*names"),
        (without_self, "self"),
        (generator, "yield"),
        (5, "must be a method"),
    ],
)
def test_a_perform_that_no_job_can_call_is_refused(perform: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        type(fastkiq.Worker)("Bad", (fastkiq.Worker,), {"perform": perform})


def test_coroutines_are_found_out() -> None:
    class Asynchronous(fastkiq.Worker):
        async def perform(self) -> None: ...

    class Static(fastkiq.Worker):
        @staticmethod
        async def perform(x: int) -> None: ...

    assert Asynchronous.__fastkiq__.is_async
    assert Static.__fastkiq__.is_async
    assert registry.table()[Static.__fastkiq__.name] == (Static.__fastkiq__, True)


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (("a",), {}, ["a"]),
        (("a", 2), {}, ["a", 2]),
        (("a", 2, 3, 4), {}, ["a", 2, 3, 4]),
        (("a",), {"count": 5}, ["a", 5]),
        ((), {"count": 5, "name": "a"}, ["a", 5]),
        ((), {"name": "a"}, ["a"]),
    ],
)
def test_binding(args: tuple[Any, ...], kwargs: dict[str, Any], bound: list[Any]) -> None:
    assert list(Plain.__fastkiq__.bound.arguments(args, kwargs)) == bound


def test_a_gap_before_a_keyword_takes_its_default() -> None:
    class Gap(fastkiq.Worker):
        def perform(self, a: int, b: str = "b", c: None = None, d: int = 4) -> None: ...

    assert list(Gap.__fastkiq__.bound.arguments((1,), {"d": 5})) == [1, "b", None, 5]
    assert list(Gap.__fastkiq__.bound.arguments((1,), {"b": "x"})) == [1, "x"]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'name'"),
        ((), {"count": 1}, "missing a required argument: 'name'"),
        (("a",), {"name": "b"}, "multiple values for argument 'name'"),
        (("a",), {"number": 1}, "unexpected keyword argument 'number'"),
    ],
)
def test_arguments_that_do_not_fit_name_worker_and_signature(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        Plain.perform_async(*args, **kwargs)
    assert "Plain.perform(name: str, count: int = 1, *rest: Any)" in str(caught.value)


def test_positional_only_parameters() -> None:
    class Positional(fastkiq.Worker):
        def perform(self, a: int, /, b: int = 0) -> None: ...

    assert list(Positional.__fastkiq__.bound.arguments((1,), {"b": 2})) == [1, 2]
    with pytest.raises(ArgumentError, match=r"positional.only"):
        Positional.perform_async(a=1)  # type: ignore[call-arg]
