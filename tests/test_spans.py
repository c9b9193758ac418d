"""Spans of time as people write them: in options, in schedule files, and read out again."""

import json
import math
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import redis as redis_py
from hypothesis import given
from hypothesis import strategies as st

from fastkiq.spans import RUFUS, UNITS, seconds, spoken


@pytest.mark.parametrize("units", [UNITS, RUFUS])
@pytest.mark.parametrize(
    ("text", "is_seconds"),
    [
        (90, 90),
        (1.5, 1.5),
        ("90", 90),
        ("1.5", 1.5),
        ("0", 0),
        ("-5", -5),
        ("1e3", 1_000),
        ("250ms", 0.25),
        ("90s", 90),
        ("5m", 300),
        ("5min", 300),
        ("5 m", 300),
        ("5 minutes", 300),
        ("1 hour 30 mins", 5_400),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("30m1h", 5_400),
        (" 1h30m ", 5_400),
        ("1.5h", 5_400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("1w2d", 777_600),
        ("1d2h3m4s5ms", 93_784.005),
    ],
)
def test_spans(text: Any, is_seconds: float, units: dict[str, float]) -> None:
    assert seconds(text, units) == pytest.approx(is_seconds, abs=1e-9)


@pytest.mark.parametrize(("text", "days"), [("1M", 30), ("2 months", 60), ("1y", 365), ("1y1M1d", 396)])
def test_months_and_years_are_for_schedule_files(text: str, days: int) -> None:
    assert seconds(text, RUFUS) == days * 86_400
    with pytest.raises(ValueError, match="is no span of time"):
        seconds(text)


@pytest.mark.parametrize("units", [UNITS, RUFUS])
@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "m", "m5", "5x", "5H", "1h30", "-5m", "5m;", "5m,", "٥m", "٥"),
        *("nan", "inf", "1e999", "9" * 400, 10**400, math.nan, math.inf),
        *(None, True, [], {}, b"5m", "1" * 200, "1s" * 60),
    ],
)
def test_what_is_none_is_refused_with_the_forms(text: Any, units: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is no span of time: write seconds, or 250ms, 90s, 5m, 1h30m, 2d"):
        seconds(text, units)


@given(st.text(max_size=120) | st.text("0123456789. hms", max_size=120) | st.floats() | st.integers())
def test_whatever_is_given_is_a_number_or_refused(value: str | float) -> None:
    for units in (UNITS, RUFUS):
        with suppress(ValueError):
            assert abs(seconds(value, units)) < float("inf")


@given(st.integers(1, 10**9))
def test_what_is_read_out_is_read_again(number: int) -> None:
    said = spoken(number)
    assert seconds(said if said[0].isdigit() else f"1 {said}") == number


@pytest.mark.parametrize(("text", "delay"), [("5m", 300), ("1h30m", 5_400), ("60", 60)])
def test_push_in(
    ask: Callable[..., subprocess.CompletedProcess[str]], redis: redis_py.Redis, text: str, delay: int
) -> None:
    before = time.time()
    assert ask("push", "app.Later", "--in", text).returncode == 0
    ((raw, score),) = redis.zrange("schedule", 0, -1, withscores=True)
    assert json.loads(raw)["class"] == "app.Later"
    assert before + delay - 1 < score < time.time() + delay + 1


def test_a_wrong_span_names_the_option(ask: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    answer = ask("push", "app.Later", "--in", "5M")
    assert answer.returncode == 2
    assert "'--in': '5M' is no span of time: write seconds, or 250ms" in answer.stderr
    answer = ask("push", "app.Later", "--at", "tomorrow")
    assert answer.returncode == 2
    assert "'--at': 'tomorrow' is neither ISO 8601 nor epoch seconds" in answer.stderr
    answer = ask("push", "app.Later", "--at", "2030-01-01T00:00:00")
    assert answer.returncode == 2
    assert "has no time zone: write 2030-01-01T00:00:00Z for UTC" in answer.stderr
