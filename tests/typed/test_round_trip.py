"""Whatever values there are come back as they were, and whatever a payload holds is read or refused."""

import dataclasses
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import fastkiq
from fastkiq import ArgumentError, _core
from typed_kinds import (
    Colour,
    Everything,
    Level,
    Line,
    Rights,
    Way,
    Word,
)

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
