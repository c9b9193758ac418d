"""Arguments by annotation: plain JSON on the wire, the annotated kinds at both ends, and errors that name the field."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from typing_extensions import TypeAliasType

import fastkiq
from children import Child
from fastkiq import ArgumentError, Config, _core
from fastkiq import config as configuration
from fastkiq.bound import Bound
from servers import wait_until
from typed_kinds import (
    Amount,
    Box,
    Broken,
    Checked,
    Colour,
    Everything,
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

ID = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2026, 11, 27, 12, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)


def first(redis: Redis, name: str) -> bytes:
    """The first member of a sorted set."""
    member = next(iter(redis.zscan_iter(name)))[0]
    assert isinstance(member, bytes)
    return member


def worker(*annotations: Any, name: str = "typed.Takes") -> Bound[...]:
    """One whose `perform` has parameters a, b, ... annotated so, and answers them."""

    def perform(self: Any, *args: Any) -> Any:
        return list(args)

    import inspect

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


Json = dict[str, "Json"] | list["Json"] | str | float | None
Tree = dict[str, "Tree"] | list[UUID]
Forest = TypeAliasType("Forest", "list[Forest] | bool")


@pytest.mark.parametrize("annotation", [Json, "Json", "list[Json]", Forest], ids=str)
def test_json_that_is_annotated_as_such_stays_as_it_is(annotation: Any) -> None:
    bound = worker(annotation)
    args = ([{"a": [1, {"b": None}]}],)
    assert bound.arguments(args, {}) is args
    assert bound.signature is not None and not bound.signature.may_convert  # noqa: PT018


def test_an_alias_that_holds_itself_and_other_kinds_stays_plain(config: Config, redis: Redis) -> None:
    takes = worker("Tree")
    takes.perform_async({"plain": {"a": []}})
    with pytest.raises(ArgumentError, match="holds itself, which only a class may"):
        takes.perform_async({"a": [UUID(int=1)]})


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


def test_every_way_to_enqueue_converts(config: Config, redis: Redis) -> None:
    class Ship(fastkiq.Worker, name="typed.Ship"):
        def perform(self, order: Order, colour: Colour = Colour.RED, *days: date) -> Any:
            return order, colour, days

    @fastkiq.job(name="typed.ship")
    async def ship(order: Order) -> Order:
        return order

    order = Order(ID, [Line(Decimal("1.5"))], NOON)
    stored = wire(Order, order)
    Ship.perform_async(order)
    Ship.perform_async(colour=Colour.BLUE, order=order)
    Ship.perform_in(60, order, Colour.BLUE, date(2026, 1, 1))
    Ship.set(queue="low").perform_at(1.0, order)
    Ship.perform_bulk([(order,), [order, Colour.BLUE]])
    fastkiq.Client().push(Ship, order)
    fastkiq.Client().push("typed.Ship", order)
    ship.perform_async(order)
    queued = [json.loads(each)["args"] for each in redis.lrange("queue:default", 0, -1)][::-1]
    assert queued == [[stored], [stored, "blue"], [stored], [stored, "blue"], [stored], [stored], [stored]]
    assert json.loads(first(redis, "schedule"))["args"] == [stored, "blue", "2026-01-01"]
    assert json.loads(redis.lindex("queue:low", 0) or b"")["args"] == [stored]
    assert Ship.perform_inline(order, Colour.BLUE, date(2026, 1, 1)) == (order, Colour.BLUE, (date(2026, 1, 1),))
    assert ship.perform_inline(order) == order
    with pytest.raises(ArgumentError, match=r"row 1: Ship\.perform\(colour\): colour: a Colour is wanted"):
        Ship.perform_bulk([(order,), (order, "green")])
    with pytest.raises(ArgumentError, match=r"row 0 must be a list or tuple"):
        Ship.perform_bulk([order])  # type: ignore[list-item]


DAWN, DUSK = (datetime.fromisoformat(f"{year}-06-01T00:00:00") for year in ("0002", "9998"))
# Of a fixed offset: where a zone repeats or skips an hour, Python says that its times equal those of no other zone.
aware = st.datetimes(DAWN, DUSK, timezones=st.timezones()).map(
    lambda moment: moment.astimezone(timezone(moment.utcoffset() or timedelta(0)))
)
decimals = st.decimals(allow_nan=False)
ids = st.uuids()
lines = st.builds(Line, decimals, st.integers(), st.frozensets(st.text("abc")))
everything = st.builds(
    Everything,
    uuid=ids,
    decimal=decimals,
    moment=aware,
    day=st.dates(),
    clock=st.times(),
    length=st.timedeltas(),
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    word=st.sampled_from(Word),
    way=st.sampled_from(Way),
    rights=st.sampled_from([Rights(0), Rights.READ, Rights.READ | Rights.WRITE]),
    amount=decimals,
    mode=st.sampled_from(["a", 1, None]),
    maybe=st.none() | ids,
    number_or_day=st.integers() | st.dates(),
    many=st.lists(st.tuples(ids, st.integers())),
    row=st.lists(st.dates()).map(tuple),
    names=st.sets(st.text("ab")),
    ways=st.frozensets(st.sampled_from(Way)),
    by_name=st.dictionaries(st.text("ab"), st.lists(decimals)),
    text=st.text(st.characters(codec="utf-8")),
    flag=st.booleans(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    nothing=st.none(),
    line=lines,
    box=st.fixed_dictionaries({"size": st.integers()}, optional={"made": st.dates()}),
)


class Everywhere(fastkiq.Worker, name="typed.Everywhere"):
    def perform(self, it: Everything, maybe: Everything | None) -> None: ...


@given(everything)
@settings(max_examples=50, deadline=None)
def test_everything_makes_the_round_trip(it: Everything) -> None:
    signature = Everywhere.__fastkiq__.signature
    assert signature is not None
    args = signature.load(_core.decode(_core.encode(signature.take([it, it], {}))))
    assert args == [it, it]
    kinds = [(field.name, type(getattr(args[0], field.name))) for field in dataclasses.fields(it)]
    assert kinds == [(field.name, type(getattr(it, field.name))) for field in dataclasses.fields(it)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc") | st.sampled_from("id"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(everything, st.sampled_from([field.name for field in dataclasses.fields(Everything)]), json_values)
@settings(max_examples=100, deadline=None)
def test_whatever_a_payload_holds_is_read_or_refused(it: Everything, name: str, odd: Any) -> None:
    signature = Everywhere.__fastkiq__.signature
    assert signature is not None
    [stored] = signature.take([it, None], {})[:1]
    try:
        [read, _] = signature.load([{**stored, name: odd}, None])
    except ArgumentError as error:
        refusal = str(error)
    else:
        refusal = f"Everywhere.perform(it): it.{name}"
        assert signature.load(signature.take([read, None], {})) == [read, None]
    assert refusal.startswith(f"Everywhere.perform(it): it.{name}")


def test_a_worker_gets_the_kinds_and_a_payload_that_does_not_fit_fails_with_its_field(
    worker_process: Callable[..., Child], redis: Redis
) -> None:
    child = worker_process(
        """
        from __future__ import annotations
        import dataclasses, json
        from datetime import datetime
        from decimal import Decimal
        import fastkiq

        class Ship(fastkiq.Worker, retry=0):
            def perform(self, order: Order, count: int = 1) -> None:
                print("SHIP", order, count, flush=True)

        class AShip(Ship):
            async def perform(self, order: Order, count: int = 1) -> None:
                print("ASHIP", order, count, flush=True)

        @dataclasses.dataclass
        class Order:
            price: Decimal
            at: datetime
        """
    )
    order = {"price": "1.50", "at": "2026-11-27T10:30:00Z"}
    push = fastkiq.Client(redis_url=f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}").push
    shown = "Order(price=Decimal('1.50'), at=datetime.datetime(2026, 11, 27, 10, 30, tzinfo=datetime.timezone.utc)) 2"
    push("app.Ship", order, 2)
    child.wait_for(f"SHIP {shown}\n")
    push("app.AShip", order, 2)
    child.wait_for(f"ASHIP {shown}\n")
    push("app.Ship", {**order, "price": "much"}, retry=0)
    text = child.wait_for("now in the dead set")
    assert "Ship.perform(order): order.price: a decimal number is wanted, not 'much'" in text
    wait_until(lambda: redis.zcard("dead"), 5)
    assert json.loads(first(redis, "dead"))["error_class"] == "fastkiq.ArgumentError"
    assert child.stop() == 0


def test_keywords_of_active_job_reach_typed_parameters() -> None:
    from fastkiq import active_job

    class Rails(fastkiq.Worker, name="typed.Rails"):
        def perform(self, order: Line, on: date) -> None: ...

    stored = {"price": "1.5", "_aj_symbol_keys": []}
    keywords = {
        "on": {"_aj_serialized": "ActiveJob::Serializers::DateSerializer", "value": "2026-01-01"},
        "order": stored,
        "_aj_ruby2_keywords": ["on", "order"],
    }
    entry = Rails.__fastkiq__
    assert entry.signature is not None
    args = active_job.arguments(entry, [{"arguments": [keywords]}])
    assert entry.signature.load(args) == [Line(Decimal("1.5")), date(2026, 1, 1)]
