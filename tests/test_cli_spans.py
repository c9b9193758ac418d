"""`--in`: spans of time as people write them."""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import click
import pytest
import redis as redis_py
from hypothesis import given
from hypothesis import strategies as st

from fastkiq.cli.time_option import span_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("0", 0),
        ("-5", -5),
        ("1e3", 1_000),
        ("250ms", 0.25),
        ("90s", 90),
        ("5m", 300),
        ("5min", 300),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("1.5h", 5_400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("1d2h3m4s5ms", 93_784.005),
    ],
)
def test_spans(text: str, seconds: float) -> None:
    assert span_of(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "5 minutes",
        "m",
        "5M",
        "1m1h",
        "5m5m",
        "5min5m",
        "1h30",
        "-5m",
        "nan",
        "inf",
        "1e999",
        "5m;",
        "٥m",
    ],
)
def test_what_is_none_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(click.BadParameter, match="250ms, 90s, 5m, 1h30m, 2d"):
        span_of(text)


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with suppress(click.BadParameter):
        assert abs(span_of(text)) < float("inf")


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("1h30m", 5_400), ("60", 60)])
def test_push_in(
    ask: Callable[..., subprocess.CompletedProcess[str]], redis: redis_py.Redis, text: str, seconds: int
) -> None:
    before = time.time()
    assert ask("push", "app.Later", "--in", text).returncode == 0
    ((raw, score),) = redis.zrange("schedule", 0, -1, withscores=True)
    assert json.loads(raw)["class"] == "app.Later"
    assert before + seconds - 1 < score < time.time() + seconds + 1
