"""Arguments by annotation: plain JSON on the wire, the annotated kinds at both ends, and errors that name the field."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from redis import Redis
from typing_extensions import TypeAliasType

import fastkiq
from fastkiq import ArgumentError, Config
from typed_kinds import (
    Amount,
    Box,
    Broken,
    Checked,
    Colour,
    Level,
    Line,
    Mixed,
    Numbers,
    Order,
    Owner,
    Pet,
    Rights,
    Rush,
    Stick,
    Toy,
    Way,
    Word,
)
from typed_kit import ID, NOON, Forest, Json, config, wire, worker

__all__ = ["config"]


def back(annotation: Any, stored: Any) -> Any:
    """What `perform` gets of stored JSON."""
    signature = worker(annotation).signature
    assert signature is not None
    return signature.load([stored])[0]


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (UUID, ID, "12345678-1234-5678-1234-567812345678"),
        (Decimal, Decimal("1.10"), "1.10"),
        (datetime, NOON, "2026-11-27T12:30:00.000005+02:00"),
        (datetime, datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "2026-01-01T00:00:00+01:00"),
        (date, date(2026, 11, 27), "2026-11-27"),
        (time, time(12, 30), "12:30:00"),
        (timedelta, timedelta(days=1, hours=1, microseconds=50), "P1DT3600.00005S"),
        (timedelta, -timedelta(seconds=1.5), "-PT1.5S"),
        (Colour, Colour.RED, "red"),
        (Level, Level.HIGH, 2),
        (Word, Word.YES, "yes"),
        (Way, Way.EAST, "EAST"),
        (Rights, Rights.READ | Rights.WRITE, 3),
        (Amount, Decimal(3), "3"),
        (Annotated[UUID, ["a list"]], ID, str(ID)),
        (TypeAliasType("Ids", "list[UUID]"), [ID], [str(ID)]),
        (UUID | None, None, None),
        (UUID | None, ID, str(ID)),
        (int | date | list[Decimal], [Decimal(1)], ["1"]),
        (int | date | list[Decimal], 5, 5),
        (list[UUID], [ID], [str(ID)]),
        (Sequence[UUID], [ID], [str(ID)]),
        (tuple[int, date], (1, date(2026, 1, 1)), [1, "2026-01-01"]),
        (tuple[str, ...], ("a", "b"), ["a", "b"]),
        (tuple, (1, "b"), [1, "b"]),
        (tuple[()], (), []),
        (set[str], {"b", "a"}, ["a", "b"]),
        (frozenset[Colour], frozenset(Colour), ["blue", "red"]),
        (dict[str, set[int]], {"a": {2, 1}}, {"a": [1, 2]}),
        (Mapping[str, date], {"a": date(2026, 1, 1)}, {"a": "2026-01-01"}),
        (Line, Line(Decimal("2.5"), tags=frozenset({"x"})), {"price": "2.5", "count": 1, "tags": ["x"]}),
        (Box, {"size": 1}, {"size": 1}),
        (Box, {"size": 1, "made": date(2026, 1, 1)}, {"size": 1, "made": "2026-01-01"}),
        (
            Owner,
            Owner(name="ann", born=date(2000, 1, 1), pets=[Pet(id=ID)], theAddress="here"),
            {
                "name": "ann",
                "born": "2000-01-01",
                "pets": [{"id": str(ID), "kind": "cat"}],
                "address": "here",
            },
        ),
        (Numbers, Numbers([Decimal("1.5")]), ["1.5"]),
        (Toy, Stick(), {"kind": "stick"}),
        (
            Mixed,
            Mixed(None, Checked(on=date(2026, 1, 1), owner=Owner(name="a", born=date(2000, 1, 1)))),
            {
                "owner": None,
                "checked": {
                    "on": "2026-01-01",
                    "owner": {"name": "a", "born": "2000-01-01", "pets": [], "address": ""},
                },
            },
        ),
    ],
)
def test_what_travels_and_what_comes_back(annotation: Any, value: Any, stored: Any) -> None:
    assert wire(annotation, value) == stored
    again = back(annotation, stored)
    assert again == value
    assert type(again) is type(value)
    assert wire(annotation, stored) == stored, "JSON that stands for one is taken as it is"


@pytest.mark.parametrize(
    ("annotation", "stored", "value"),
    [
        (datetime, "2026-11-27T10:30:00Z", datetime(2026, 11, 27, 10, 30, tzinfo=UTC)),
        (Decimal, 1.1, Decimal("1.1")),
        (Decimal, 2, Decimal(2)),
        (timedelta, 90.5, timedelta(seconds=90.5)),
        (timedelta, "P1W2DT3H4M5.5S", timedelta(days=9, hours=3, minutes=4, seconds=5.5)),
        (Order, {"id": str(ID), "lines": [], "at": "2026-11-27T10:30:00Z"}, None),
        (Owner, {"name": "a", "born": "2000-01-01", "theAddress": "by its alias"}, None),
    ],
)
def test_other_producers_may_write_it_otherwise(annotation: Any, stored: Any, value: Any) -> None:
    again = back(annotation, stored)
    assert isinstance(again, annotation)
    assert value is None or again == value


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (UUID, "abc", "a: a UUID is wanted, not 'abc'"),
        (UUID, 5, "a: a UUID is wanted, not 5"),
        (datetime, NOON.replace(tzinfo=None), "has no time zone: pass an aware datetime"),
        (datetime, "2026-01-01T00:00:00", "'2026-01-01T00:00:00' has no time zone"),
        (date, NOON, "a date in ISO 8601 is wanted, not datetime"),
        (time, time(1, tzinfo=ZoneInfo("Europe/Berlin")), "has a zone whose offset depends on the date"),
        (timedelta, "PT", "a duration in ISO 8601, or seconds, is wanted"),
        (timedelta, "P99999999999999D", "a duration in ISO 8601"),
        (timedelta, True, "a duration in ISO 8601"),
        (Decimal, "one", "a decimal number is wanted, not 'one'"),
        (Colour, "green", "a Colour is wanted, not 'green'"),
        (Way, "WEST", "a Way is wanted"),
        (Level, True, "a Level is wanted, not True"),
        (tuple[int, date], [1], "a list of 2 is wanted, not of 1"),
        (tuple[int, date], [1, 5], r"a\[1\]: a date"),
        (dict[str, UUID], {1: ID}, "a text as a key is wanted, not 1"),
        (dict[str, UUID], {"x": 1}, r"a\['x'\]: a UUID"),
        (UUID | None, 5, r"UUID \| None is wanted, not 5"),
        (Order, Rush(ID, [], NOON), r"an object \(Order\) is wanted, not Rush"),
        (Order, Order(ID, [Line(Decimal(1)), Line("x")], NOON), r"a\.lines\[1\]\.price: a decimal number"),  # type: ignore[arg-type]
        (Order, {"id": str(ID), "lines": []}, r"a\.at: Order wants this field"),
        (Order, {"id": str(ID), "lines": [], "at": "2026-11-27T10:30:00Z", "odd": 1}, r"a\.odd: Order has no such"),
        (
            Order,
            {"id": str(ID), "lines": [{"price": 1}] * 10, "at": "2026-11-27T10:30:00Z"},
            "Order refuses it: ValueError: too many lines",
        ),
        (Line, Line(Decimal(1), "two"), r"a\.count: a whole number is wanted, not 'two'"),  # type: ignore[arg-type]
        (Box, {"made": date(2026, 1, 1)}, r"a\.size: Box wants this field"),
        (Owner, {"name": "a", "born": "never"}, r"a\.born: Input should be a valid date"),
        (Owner, {"pets": [{}]}, r"a\.name: Field required \(and 2 more\)"),
        (Owner, {"name": object()}, "a Owner is wanted"),
        (Owner, Owner.model_construct(name="a", born="never"), r"Owner refuses it: PydanticSerializationError"),
        (Pet, {"id": str(ID), "odd": 1}, r"a\.odd: Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_call(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^Takes\.perform\(a\): .*{message}"):
        worker(annotation).arguments([value], {})


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (str | UUID, "cannot be told apart: two may be a string"),
        (Pet | Stick, "cannot be told apart: two may be a object"),
        (dict[int, UUID], "the keys of an object in JSON are texts"),
        (bytes, "bytes is not among what can be converted"),
        (list[bytes], "bytes is not among what can be converted"),
        ("Nowhere", r"its annotation 'Nowhere' stands for nothing at run time \(NameError"),
        (Broken, "its annotation 'Elsewhere' stands for nothing at run time"),
        (["int"], r"\['int'\] is no annotation"),
        (Callable[[], int], "is not among what can be converted"),
    ],
)
def test_what_cannot_be_converted_stays_plain_and_the_refusal_says_why(
    config: Config, redis: Redis, annotation: Any, reason: str
) -> None:
    takes = worker(annotation)
    takes.perform_async({"plain": 1})
    assert json.loads(redis.lrange("queue:default", 0, -1)[0])["args"] == [{"plain": 1}]
    with pytest.raises(ArgumentError, match=rf"^Takes\.perform\(a\): args\[0\]: .*; .*{reason}"):
        takes.perform_async(object())


def test_plain_annotations_cost_nothing_and_change_nothing() -> None:
    def perform(self: Any, a: int, b: "list[str] | None" = None, c: Any = 1, *d: "dict[str, Any]") -> None: ...

    made = type("Plain", (fastkiq.Worker,), {"perform": perform}, name="typed.Plain")
    entry = made.__fastkiq__  # type: ignore[attr-defined]
    args = ("no number at all", {"not": "a list"})
    assert entry.plain
    assert entry.signature.plan is None
    assert entry.bound.arguments(args, {}) is args


def test_what_turns_out_plain_is_so_from_its_first_use() -> None:
    from typing import Literal

    bound = worker(Literal["a"], list["int"])
    assert bound.signature is not None and bound.signature.may_convert  # noqa: PT018
    args = ("b", [1])
    assert bound.arguments(args, {}) is args
    assert not bound.signature.may_convert


@pytest.mark.parametrize("annotation", [Json, "Json", "list[Json]", Forest], ids=str)
def test_json_that_is_annotated_as_such_stays_as_it_is(annotation: Any) -> None:
    bound = worker(annotation)
    args = ([{"a": [1, {"b": None}]}],)
    assert bound.arguments(args, {}) is args
    assert bound.signature is not None and not bound.signature.may_convert  # noqa: PT018


def test_what_cannot_be_in_a_set_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"a: unhashable type: 'list', so it cannot be in a set"):
        back(set[Any], [[1]])


def test_a_default_of_none_needs_no_annotation_of_its_own() -> None:
    @dataclasses.dataclass
    class Sloppy:
        id: UUID = None  # type: ignore[assignment]

    @fastkiq.job(name="typed.sloppy")
    def sloppy(it: Sloppy = None, on: date = None, count: int = 1) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return it, on, count

    assert sloppy.perform_inline(count=2) == (None, None, 2)
    assert sloppy.perform_inline(Sloppy(), date(2026, 1, 1)) == (Sloppy(), date(2026, 1, 1), 1)


def test_json_of_a_strict_model_that_is_told_apart_by_its_kind() -> None:
    stored = {"id": str(ID), "kind": "cat"}
    assert wire(Toy, stored) == stored
    assert back(Toy, stored) == Pet(id=ID)
    assert wire(Toy, Pet(id=ID)) == stored
    with pytest.raises(ArgumentError, match=r"a\.cat\.id: Field required"):
        wire(Toy, {"kind": "cat"})


def test_arguments_that_hold_themselves_are_refused() -> None:
    order = Order(ID, [], NOON)
    order.parent = order
    with pytest.raises(ArgumentError, match="a holds itself, or is too deep"):
        worker(Order).arguments([order], {})
