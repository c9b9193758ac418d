"""When a failed job runs again."""

import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import payload
from fastkiq import _core
from fastkiq.retry import (
    LONGEST_DELAY,
    Terms,
    asked_delay,
    backoff,
    epoch_seconds,
    jitter_bound,
    repairs,
    taken_out,
    terms,
    unknown_delay,
)

NOW = 1_795_306_000.0
NOW_MS = int(NOW * 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    *("retry", "retry_for", "retry_queue", "retry_count", "dead", "backtrace", "failed_at", "retried_at", "created_at"),
    *(
        "enqueued_at",
        "discarded_at",
        "tags",
        "cattr",
        "jid",
        "queue",
        "error_backtrace",
        "error_message",
        "error_class",
    ),
]


def read(now: float = NOW, options: dict[str, Any] | None = None, **fields: Any) -> Terms:
    return terms(payload(**fields), options or {"retry": True, "queue": "default"}, now, 25, 0)


def test_the_backoff_is_sidekiqs() -> None:
    known = {0: 15, 1: 16, 2: 31, 3: 96, 4: 271, 5: 640, 6: 1311, 7: 2416, 8: 4111, 9: 6576, 10: 10015, 24: 331791}
    assert {count: backoff(count) for count in known} == known
    assert sum(backoff(count) for count in range(25)) == 1_763_395


@given(st.integers(0, 10**9))
def test_the_backoff_grows_and_is_bounded(count: int) -> None:
    assert 15 <= backoff(count) <= backoff(count + 1) <= LONGEST_DELAY
    assert 10 <= jitter_bound(count) <= 10_000_010


@pytest.mark.parametrize(
    ("retry", "count", "last"),
    [
        (True, None, False),
        (True, 23, False),
        (True, 24, True),
        (3, 1, False),
        (3, 2, True),
        (0, None, True),
        (1, None, False),
        (1, 0, True),
        (False, None, True),
    ],
)
def test_exhaustion_by_count(retry: bool | int, count: int | None, last: bool) -> None:
    fields = {} if count is None else {"retry_count": count, "failed_at": NOW_MS}
    assert read(retry=retry, **fields).exhausted(NOW) is last


def test_retry_for_replaces_the_count_and_starts_at_the_first_failure() -> None:
    first = read(retry_for=60)
    assert not first.exhausted(NOW)
    late = {"retry_for": 60, "retry_count": 99, "retry": 2}
    assert not read(**late, failed_at=NOW_MS - 59_000).exhausted(NOW)
    assert read(**late, failed_at=NOW_MS - 61_000).exhausted(NOW)
    assert read(**late, failed_at=NOW - 61.0).exhausted(NOW), "seconds as floats, as Sidekiq 7 writes them"


def test_the_payload_overrides_the_class_and_the_class_the_defaults() -> None:
    options = {"retry": 3, "retry_queue": "slow", "dead": False, "backtrace": 5}
    of_class = terms({"class": "x"}, options, NOW, 25, 0)
    assert (of_class.retries, of_class.retry_queue, of_class.dead, of_class.backtrace) == (3, "slow", False, 5)
    of_payload = read(options=options, retry=7, retry_queue="other", dead=True, backtrace=True)
    assert (of_payload.retries, of_payload.retry_queue, of_payload.dead) == (7, "other", True)
    assert of_payload.backtrace == 1_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retry", "x"),
        ("retry", -1),
        ("retry", 1.5),
        ("retry", 10**30),
        ("retry", []),
        ("retry_for", 1e99),
        ("retry_for", -1),
        ("retry_for", "1 hour"),
        ("retry_queue", "a b"),
        ("retry_queue", 5),
        ("dead", "no"),
        ("backtrace", "all"),
        ("backtrace", -3),
    ],
)
def test_nonsense_in_the_payload_falls_back_and_is_named(key: str, value: Any) -> None:
    found = read(**{key: value})
    assert (found.retries, found.retry_for, found.retry_queue, found.dead, found.backtrace) == (25, None, None, True, 0)
    assert len(found.complaints) == 1
    assert found.complaints[0].startswith(f"{key}: ")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_payload_breaks_the_terms_or_survives_the_repairs(fields: dict[str, Any]) -> None:
    stored = payload(**fields)
    found = terms(stored, {"retry": True}, NOW, 25, 0)
    assert found.count >= 0
    assert isinstance(found.exhausted(NOW), bool)
    raw = _core.splice(_core.encode(stored), repairs(stored, "default"))
    entry = _core.mended(raw, "default", "retry")
    mended = _core.decode(entry)
    assert mended["queue"] == "default"
    assert isinstance(mended["jid"], str)
    assert isinstance(mended.get("tags") or [], list)
    for key in ("created_at", "enqueued_at", "failed_at", "retried_at", "discarded_at", "retry_count"):
        assert type(mended.get(key) or 0) in (int, float)
    for key in ("error_backtrace", "error_message", "error_class"):
        assert isinstance(mended.get(key, ""), str)
    assert "retried_at" in mended if (mended.get("retry_count") or 0) > 0 else "failed_at" in mended
    assert repairs(mended, "default") == {}, "repairing twice changes nothing"
    assert _core.mended(entry, "default", "retry") is entry
    assert set(taken_out(stored, _core.encode(stored), "default")) <= set(fields)


def test_a_sound_payload_is_left_alone() -> None:
    sound = payload(tags=["a"], cattr={"a": 1}, retry_count=3, failed_at=1.5, retried_at=2.5)
    assert repairs(sound, "default") == {}
    raw = json.dumps(sound).encode()
    assert taken_out(sound, raw, "default") == []
    for to in ("queue", "retry", "schedule", "dead"):
        assert _core.mended(raw, "default", to) is raw  # type: ignore[arg-type]


def test_what_the_core_takes_out_is_told() -> None:
    odd = payload(tags=5, cattr="x", failed_at=1.5)
    assert taken_out(odd, json.dumps(odd).encode(), "default") == ["tags", "cattr"]


def test_a_hook_answers_seconds_a_timedelta_or_nothing() -> None:
    assert asked_delay(5) == 5.0
    assert asked_delay(0.5) == 0.5
    assert asked_delay(timedelta(minutes=1)) == 60.0
    assert asked_delay(10**400) == LONGEST_DELAY
    assert asked_delay(math.inf) == LONGEST_DELAY
    for nothing in (None, 0, -1, 0.0):
        assert asked_delay(nothing) is None
    for wrong in ("5", True, [], object()):
        with pytest.raises(TypeError, match="retry_in"):
            asked_delay(wrong)
    with pytest.raises(ValueError, match="NaN"):
        asked_delay(math.nan)


def test_an_unknown_class_is_looked_at_ever_less_often() -> None:
    assert [unknown_delay(waited) for waited in (-5, 0, 20, 100, 10**9)] == [15, 15, 15, 50, 3600]


def test_times_in_both_of_sidekiqs_forms() -> None:
    assert epoch_seconds(1_795_305_947_963) == 1_795_305_947.963
    assert epoch_seconds(1_795_305_947.5) == 1_795_305_947.5
    for wrong in (None, True, "1795305947", -1, -0.5, 1e300, 10**40, [], {}):
        assert epoch_seconds(wrong) is None
