"""Rows as lines of a given width: columns that matter less give way, long texts are cut with an ellipsis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """How one value of each row is shown. Texts are expected to be printable."""

    heading: str
    right: bool = False
    free: bool = False
    """Takes a share of what the others leave."""
    least: int = 20
    """Cells below which a free column is not worth its place."""
    most: int = 32
    """Cells of a column that is not free."""
    rank: int = 0
    """Where there is too little room, columns of the highest rank go first, and before them those that are empty; of
    rank 0 all stay."""
    style: str = ""


def cut(text: str, width: int) -> str:
    """The text in at most so many cells."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def fitted(text: str, width: int, right: bool = False) -> str:
    """The text in exactly so many cells."""
    text = cut(text, width)
    fill = " " * (width - cell_len(text))
    return fill + text if right else text + fill


def widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Cells of each column; 0: it is left out."""
    natural = [
        max(cell_len(text) for text in (column.heading, *(row[at] for row in rows)))
        for at, column in enumerate(columns)
    ]
    natural = [
        wanted if column.free else min(wanted, column.most) for wanted, column in zip(natural, columns, strict=True)
    ]
    shown = [at for at, column in enumerate(columns) if not column.rank or not rows or any(row[at] for row in rows)]
    while True:
        free = [at for at in shown if columns[at].free]
        rest = width - sum(natural[at] for at in shown if at not in free) - GAP * (len(shown) - 1)
        droppable = [at for at in shown if columns[at].rank]
        if rest >= sum(min(natural[at], columns[at].least) for at in free) or not droppable:
            break
        shown.remove(max(droppable, key=lambda at: (columns[at].rank, at)))
    shares = _shared(max(0, rest), {at: natural[at] for at in free})
    return [shares.get(at, natural[at]) if at in shown else 0 for at in range(len(columns))]


def _shared(rest: int, wanted: dict[int, int]) -> dict[int, int]:
    """What is left, among those who want it: the modest get all they want."""
    shares: dict[int, int] = {}
    for left, at in zip(range(len(wanted), 0, -1), sorted(wanted, key=wanted.__getitem__), strict=True):
        shares[at] = min(wanted[at], (rest - sum(shares.values())) // left)
    return shares


def line(columns: Sequence[Column], cells: Sequence[str], sizes: Sequence[int], width: int, plain: bool) -> Content:
    """One row, filled up to the width; `plain`: without the columns' styles."""
    parts: list[tuple[str, str]] = []
    for column, text, size in zip(columns, cells, sizes, strict=True):
        if size:
            parts.append((fitted(text, size, column.right), "" if plain else column.style))
            parts.append((" " * GAP, ""))
    whole = Content.assemble(*parts[:-1])
    return whole + Content(" " * max(0, width - whole.cell_length))


def heading(columns: Sequence[Column], sizes: Sequence[int]) -> str:
    """The line above the rows."""
    shown = [(column, size) for column, size in zip(columns, sizes, strict=True) if size]
    return (" " * GAP).join(fitted(column.heading, size, column.right) for column, size in shown)
