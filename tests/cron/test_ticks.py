"""The ticks of cron expressions, beside those of cronsim, which follows Debian's cron.

Where the two differ on purpose, which is left out here: cronsim does not apply Debian's rule for clock changes to six
fields; it joins day of month and day of week by AND when one of them begins with a star, unless it is nothing else;
and each of several fixed times in one gap is a tick of its own there, at the same moment.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fastkiq import _core

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Pacific/Auckland",
    "America/St_Johns",
]


def changes(zone: str) -> list[datetime]:
    """When the clock of this zone changes, from 2024 to 2028."""
    place, found, moment = ZoneInfo(zone), [], datetime(2024, 1, 1, tzinfo=UTC)
    while moment.year < 2029:
        later = moment + timedelta(hours=1)
        if moment.astimezone(place).utcoffset() != later.astimezone(place).utcoffset():
            found.append(later)
        moment = later
    return found


CHANGES = {zone: changes(zone) for zone in ZONES}


def field(low: int, high: int, star: bool) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pairs = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)  # cronsim reads `7-7/2` as `7/2`
    spans = pairs.map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(spans, st.integers(1, 20)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    said = st.one_of(number.map(str), spans, stepped, st.lists(number.map(str), min_size=2, max_size=4).map(",".join))
    stars = st.one_of(st.just("*"), st.integers(1, 30).map(lambda step: f"*/{step}"))
    return st.one_of(said, stars) if star else said


def five() -> st.SearchStrategy[str]:
    days = st.one_of(st.just("*"), field(1, 28, star=False))
    weekdays = st.one_of(
        st.just("*"), field(0, 7, star=False), st.sampled_from(["mon-fri", "sun", "sat,sun", "1L", "5#2"])
    )
    months = st.one_of(st.just("*"), st.just("*"), field(1, 12, star=False), st.sampled_from(["mar", "oct-nov"]))
    return st.tuples(field(0, 59, star=True), field(0, 23, star=True), days, months, weekdays).map(" ".join)


def theirs(expression: str, start: datetime, count: int) -> list[int]:
    """cronsim's next ticks, each once. `5L` of cronsim is `5#L` of croner's, which reads both."""
    ticks: list[int] = []
    for tick in islice(CronSim(expression, start), 3 * count):
        if not ticks or ticks[-1] != int(tick.timestamp()):
            ticks.append(int(tick.timestamp()))
    return ticks[:count]


def ours(expression: str, start: datetime, count: int) -> list[int]:
    return _core.cron_ticks(expression, str(start.tzinfo), start.timestamp(), count)


def is_comparable(zone: str, times: Sequence[str]) -> bool:
    """cronsim steps by whole hours, and misses the rest of one after half an hour was repeated."""
    return zone != "Australia/Lord_Howe" or not any(each.startswith("*") for each in times)


@settings(max_examples=400, deadline=None)
@given(expression=five(), zone=st.sampled_from(ZONES), seconds=st.integers(1_700_000_000, 1_900_000_000))
def test_any_expression_at_any_time(expression: str, zone: str, seconds: int) -> None:
    start = datetime.fromtimestamp(seconds, ZoneInfo(zone))
    assume(start.fold == 0)
    assume(is_comparable(zone, expression.split()[:2]))
    assert ours(expression, start, 8) == theirs(expression, start, 8)


@settings(max_examples=800, deadline=None)
@given(
    times=st.tuples(field(0, 59, star=True), field(0, 4, star=True)),
    zone=st.sampled_from([zone for zone in ZONES if CHANGES[zone]]),
    which=st.integers(0, 7),
    before=st.integers(0, 30 * 3600),
)
@example(times=("30", "2"), zone="Europe/Berlin", which=0, before=3600)
@example(times=("0,15,30", "1-3"), zone="Australia/Lord_Howe", which=1, before=3600)
def test_around_clock_changes(times: tuple[str, str], zone: str, which: int, before: int) -> None:
    """Expressions in whose hours clocks change, from up to 30 hours before a change."""
    moments = CHANGES[zone]
    start = (moments[which % len(moments)] - timedelta(seconds=before)).astimezone(ZoneInfo(zone))
    assume(start.fold == 0)
    assume(is_comparable(zone, times))
    expression = f"{times[0]} {times[1]} * * *"
    assert ours(expression, start, 20) == theirs(expression, start, 20)


@settings(max_examples=200, deadline=None)
@given(seconds=field(0, 59, star=True), expression=five(), start=st.integers(1_700_000_000, 1_900_000_000))
def test_a_field_of_seconds(seconds: str, expression: str, start: int) -> None:
    moment = datetime.fromtimestamp(start, UTC)
    expression = f"{seconds} {expression}"
    assert _core.cron_ticks(expression, "UTC", start, 5) == theirs(expression, moment, 5)


@settings(max_examples=200, deadline=None)
@given(expression=five(), zone=st.sampled_from(ZONES), start=st.integers(1_700_000_000, 1_900_000_000))
def test_ticks_asked_for_one_by_one_are_those_asked_for_at_once(expression: str, zone: str, start: int) -> None:
    at_once = _core.cron_ticks(expression, zone, start, 6)
    one_by_one, after = [], float(start)
    for _ in at_once:
        after = _core.cron_ticks(expression, zone, after)[0]
        one_by_one.append(after)
    assert one_by_one == at_once
    assert all(earlier < later for earlier, later in pairwise(at_once))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 6 * * mon-fri", "06:00"),
        ("*/5 * * * *", "every 5 minutes"),
        ("@daily", "00:00"),
        ("0 0 L * *", "last day of the month"),
        ("0 0 * * 5#2", "2nd Friday"),
    ],
)
def test_in_english(expression: str, said: str) -> None:
    assert said in _core.cron_describe(expression).replace("Every", "every")


@pytest.mark.parametrize(
    "expression", ["", "x", "61 * * * *", "0 0 * *", "0 0 * * * * 2030", "0 0 * * mon-xyz", "9" * 300]
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ValueError, match=r"cron expression|longer than"):
        _core.cron_ticks(expression, "UTC", 0.0)


def test_what_never_comes_comes_never() -> None:
    assert _core.cron_ticks("0 0 30 2 *", "UTC", 0.0, 5) == []
    assert _core.cron_ticks("* * * * *", "UTC", float("inf"), 5) == []
    assert len(_core.cron_ticks("* * * * *", "UTC", float("nan"), 1)) <= 1
