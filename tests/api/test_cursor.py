"""Places in a sorted set, as texts and back."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastkiq.api.cursor import Cursor
from fastkiq.errors import ArgumentError


@given(
    st.floats(allow_nan=False), st.one_of(st.sampled_from([b"a", b"b", b"n5"]), st.binary(min_size=1).map(b"p".__add__))
)
def test_a_place_comes_back(score: float, where: bytes) -> None:
    cursor = Cursor(repr(score), where, 7)
    text = cursor.text()
    assert text is not None
    assert len(text) < 2_100
    expected = b"n7" if cursor.is_long else where
    assert Cursor.parse(text) == Cursor(repr(score), expected)


def test_the_ends() -> None:
    assert Cursor().text() is None
    assert Cursor.parse(None) == Cursor.parse("") == Cursor()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x",
            "1_",
            "_a",
            "1_c",
            "nan_a",
            "1_p",
            "1_p!",
            "1_pAAAA",
            "1.5_n-1",
            "1_a ",
            "1_a\n",
            "9" * 99 + "_a",
            "é_a",
        ),
        *("1e_a", "--1_a", "1_n" + "9" * 13, "1_p" + "A" * 2_001),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="no cursor"):
        Cursor.parse(text)


def test_a_bomb_is_no_cursor() -> None:
    bomb = Cursor("1", b"p" + b"a" * 1_000_000).text()
    assert bomb is not None
    with pytest.raises(ArgumentError, match="no cursor"):
        Cursor.parse(bomb)


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    with contextlib.suppress(ArgumentError):
        Cursor.parse(text)
