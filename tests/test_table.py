"""Tables: what is never cut, what shares the rest, and what moves below the row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fastkiq.cli.table import COLOURS, Column, cut, lines

JID = "0123456789abcdef01234567"
TIMES = Column("Died", "died", str)
COLUMNS = [
    TIMES,
    Column("Retry", "count", lambda value: "" if value is None else str(value)),
    Column("Class", "class", str),
    Column("Queue", "queue", str, spare=True),
    Column("Jid", "jid", str),
    Column("Arguments", "args", str, free=True),
    Column("Error", "error", str, free=True),
]


def row(**other: object) -> dict[str, object]:
    return {
        "died": "3.0 h ago",
        "count": 0,
        "class": "shop.orders.SendConfirmation",
        "queue": "default",
        "jid": JID,
        "args": '"ann@example.org", 5',
        "error": "ValueError: " + "boom " * 30,
    } | other


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 150, 200, 400, None])
def test_what_is_copied_and_compared_is_never_cut(width: int | None) -> None:
    text = "\n".join(lines([row(), row(error="")], COLUMNS, width))
    for whole in ("3.0 h ago", "shop.orders.SendConfirmation", JID, "default"):
        assert text.count(whole) == 2


def test_in_80_columns_the_rest_stands_below() -> None:
    found = lines([row(args="")], COLUMNS, 80)
    assert found[0].split() == ["Died", "Retry", "Class", "Jid"]
    assert found[1] == f"3.0 h ago      0  shop.orders.SendConfirmation  {JID}"
    assert found[2] == "    queue  default"
    assert found[3].startswith("    error  ValueError: boom")
    assert found[3].endswith("…")
    assert max(map(len, found)) <= 80


def test_a_narrow_row_keeps_its_queue() -> None:
    found = lines([row(**{"class": "shop.X"})], COLUMNS, 80)
    assert found[0].split() == ["Died", "Retry", "Class", "Queue", "Jid"]
    assert [line.split()[0] for line in found[2:]] == ["arguments", "error"]


def test_in_a_wide_terminal_the_long_get_what_the_short_leave() -> None:
    found = lines([row(), row(error="x")], COLUMNS, 180)
    assert len(found) == 3
    assert '"ann@example.org", 5  ValueError: boom' in found[1]
    assert found[1].endswith("…")
    assert cell_len(found[1]) == 180


def test_a_pipe_gets_everything_and_no_filling() -> None:
    found = lines([row(), row(args="x" * 150)], COLUMNS, None)
    assert len(found) == 3
    assert found[1].endswith("boom boom")
    assert "…" not in "".join(found)
    assert [line for line in found if line != line.rstrip()] == []


def test_numbers_stand_right_also_where_one_is_missing() -> None:
    found = lines([row(count=7), row(count=None), row(count=12)], COLUMNS[:2], 80)
    assert found == ["Died       Retry", "3.0 h ago      7", "3.0 h ago", "3.0 h ago     12"]


def test_a_column_with_neither_heading_nor_contents_is_left_out() -> None:
    columns = [TIMES, Column("", "quiet", str), Column("Jid", "jid", str)]
    assert lines([row(quiet="")], columns, 80)[1] == f"3.0 h ago  {JID}"
    assert lines([row(quiet="quiet")], columns, 80)[1] == f"3.0 h ago  quiet  {JID}"


def test_colours_only_where_they_are_asked_for() -> None:
    assert lines([row()], COLUMNS, 80, COLOURS)[0].startswith("\x1b[1m")
    assert "\x1b" not in "".join(lines([row()], COLUMNS, 80))


@given(st.text(st.characters(exclude_categories=["C", "M", "Z"])), st.integers(1, 30))
def test_what_is_cut_fits(text: str, width: int) -> None:
    shown = cut(text, width)
    assert cell_len(shown) <= width
    assert shown == text if cell_len(text) <= width else shown.endswith("…")
