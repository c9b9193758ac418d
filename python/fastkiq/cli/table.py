"""Rows as columns of text, in the width there is.

What somebody may want to copy or compare (a jid, a class, a time) is never cut. Only free columns are: they share what
the others leave, or move to lines of their own below the row where that would be too little to read. Spare ones follow
when even the rest is too wide.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len, set_cell_size

_GAP: Final = "  "
_INDENT: Final = "    "
_READABLE: Final = 40
"""Cells that a free column wants at least, or all it has to show: less tells one error from another no more."""
_PIPED: Final = 60
"""Cells to which free columns are filled up where nothing is cut."""


@dataclass(frozen=True, slots=True)
class Column:
    """Which value of a row is shown, and how. A free column comes after all that are not."""

    heading: str
    key: str
    form: Callable[[Any], str]
    free: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """What goes around headings and around what stands below a row."""

    heading: str = ""
    below: str = ""

    def paint(self, code: str, text: str) -> str:
        """The text in this colour; unchanged without one."""
        return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


COLOURS: Final = Style(heading="1", below="2")


def lines(
    rows: Sequence[dict[str, Any]], columns: Sequence[Column], width: int | None, style: Style = Style()
) -> list[str]:
    """The table. `width` in cells; None: as wide as it wants to be, for a file or a pager."""
    cells = [[column.form(row[column.key]) for column in columns] for row in rows]
    filled = {at for at in range(len(columns)) if any(row[at] for row in cells)}
    fixed = [at for at, column in enumerate(columns) if not column.free and (column.heading or at in filled)]
    free = [at for at, column in enumerate(columns) if column.free and at in filled]
    right = {at for at in fixed if all(_is_number(row[columns[at].key]) for row in rows)}
    natural = [
        max(cell_len(text) for text in (column.heading, *(row[at] for row in cells)))
        for at, column in enumerate(columns)
    ]
    taken = sum(natural[at] + len(_GAP) for at in fixed)
    below: list[int] = []
    shares = [min(natural[at], _PIPED) for at in free]
    if width is not None:
        found = _share(width - taken - len(_GAP) * (len(free) - 1), [natural[at] for at in free])
        if found is None:
            spare = [at for at in fixed if columns[at].spare and taken - len(_GAP) > width]
            fixed, free, below = [at for at in fixed if at not in spare], [], [*spare, *free]
        shares = found or []
    shown = [*fixed, *free]
    widths = {**{at: natural[at] for at in fixed}, **dict(zip(free, shares, strict=True))}

    def line(texts: Sequence[str]) -> str:
        parts = []
        for at in shown:
            text = texts[at] if at in fixed or width is None else cut(texts[at], widths[at])
            fill = " " * max(0, widths[at] - cell_len(text))
            parts.append(fill + text if at in right else text + fill)
        return _GAP.join(parts).rstrip()

    headings = [column.heading for column in columns]
    made = [style.paint(style.heading, line(headings))] if any(headings) else []
    for row in cells:
        made.append(line(row))
        if width is not None:
            made += [style.paint(style.below, text) for text in _below(columns, row, below, width)]
    return made


def cut(text: str, width: int) -> str:
    """The text in at most so many cells, with an ellipsis where it ends too soon."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def _share(rest: int, wanted: list[int]) -> list[int] | None:
    """How many cells each free column gets; None when it is too few to be worth it."""
    if sum(wanted) <= rest:
        return wanted
    if rest < sum(min(each, _READABLE) for each in wanted):
        return None
    shares = [0] * len(wanted)
    for left, at in zip(range(len(wanted), 0, -1), sorted(range(len(wanted)), key=wanted.__getitem__), strict=True):
        shares[at] = min(wanted[at], (rest - sum(shares)) // left)  # what the short ones leave goes to the long ones
    return shares


def _below(columns: Sequence[Column], row: list[str], below: list[int], width: int) -> Iterator[str]:
    label = max((len(columns[at].heading) for at in below), default=0)
    room = max(20, width - len(_INDENT) - label - len(_GAP))
    for at in below:
        if row[at]:
            text = cut(row[at], room) if columns[at].free else row[at]
            yield f"{_INDENT}{columns[at].heading.lower():<{label}}{_GAP}{text}"


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
