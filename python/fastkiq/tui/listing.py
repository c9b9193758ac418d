"""Pages of rows: where they go on, which row is meant, which ones are selected."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from textual.content import Content

from fastkiq.api import Page
from fastkiq.tui.table import Column, heading, line, widths

T = TypeVar("T")
_MARKS = 3
"""Cells before each row: which one is meant, and whether it is selected."""


class Listing(Generic[T]):
    """The state of one listing. What it is given to show is printable."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[T], Sequence[str]],
        key: Callable[[T], Hashable],
        nothing: str,
    ) -> None:
        self._columns = columns
        self._cells = cells
        self._key = key
        self._nothing = nothing
        self.page: Page[T] | None = None
        """What is shown; None before the first answer."""
        self._trail: list[tuple[str | None, int]] = [(None, 0)]
        """The cursor of each page so far, and how many entries were passed before it."""
        self.row = 0
        self._is_turning = False
        """Whether another page is wanted than the one that is shown."""
        self._first = 0
        """The uppermost row that is seen: a page may be longer than the screen."""
        self.selected: dict[Hashable, T] = {}
        self.has_all = False
        """Whether all that there are, on all pages, are selected."""

    @property
    def cursor(self) -> str | None:
        """Of the page that is shown."""
        return self._trail[-1][0]

    @property
    def current(self) -> T | None:
        """The item of the row that is meant."""
        items = self.page.items if self.page is not None else ()
        return items[self.row] if self.row < len(items) else None

    @property
    def meant(self) -> list[T]:
        """What an action is for: the selected items, else that of the row."""
        if self.selected:
            return list(self.selected.values())
        return [] if self.current is None else [self.current]

    def reset(self) -> None:
        """Back to the first page, of other contents."""
        self.page, self._is_turning = None, False
        self._trail = [(None, 0)]
        self.row = 0
        self.clear_selection()

    def clear_selection(self) -> None:
        """Nothing is selected."""
        self.selected = {}
        self.has_all = False

    def take(self, page: Page[T]) -> bool:
        """Shows a page, and means the same item as before if that is still there. False when it has become empty and
        the one before it is wanted instead."""
        before = None if self._is_turning else self.current
        self.row = 0 if self._is_turning else self.row
        self.page, self._is_turning = page, False
        keys = [self._key(item) for item in page.items]
        if before is not None and self._key(before) in keys:
            self.row = keys.index(self._key(before))
        self.row = max(0, min(self.row, len(page.items) - 1))
        if not page.items and page.next is None and len(self._trail) > 1:
            self._trail.pop()
            return False
        self.selected.update((key, item) for key, item in zip(keys, page.items, strict=True) if key in self.selected)
        return True

    def move(self, by: int) -> None:
        """To another row of this page."""
        count = len(self.page.items) if self.page is not None else 0
        self.row = max(0, min(self.row + by, count - 1))

    def turn(self, by: int) -> bool:
        """To the next page or the one before; False when there is none. What is shown stays until the page comes."""
        if by > 0 and not self._is_turning and self.page is not None and self.page.next is not None:
            passed = self._trail[-1][1] + max(self.page.looked, len(self.page.items))
            self._trail.append((self.page.next, passed))
        elif by < 0 and len(self._trail) > 1:
            self._trail.pop()
        else:
            return False
        self._is_turning = True
        return True

    def toggle(self) -> None:
        """Selects the row, or no more, and goes to the next one."""
        self.has_all = False
        if (item := self.current) is not None and self.selected.pop(self._key(item), None) is None:
            self.selected[self._key(item)] = item
        self.move(1)

    def widen(self) -> str:
        """Selects the rows of this page; then all that there are; then nothing. Answers what that is now."""
        items = self.page.items if self.page is not None else ()
        if self.has_all:
            self.clear_selection()
            return "nothing is selected"
        if items and all(self._key(item) in self.selected for item in items):
            self.has_all = True
            return "all are selected, on every page"
        self.selected.update((self._key(item), item) for item in items)
        return f"{len(self.selected):,} selected; A again: all, on every page"

    def lines(self, width: int, height: int, active: bool = True) -> list[Content]:
        """The heading and the rows."""
        page = self.page
        if page is None:
            return [Content.styled("  …", "dim")]
        room = max(1, height - 1)
        self._first = max(0, min(self._first, self.row, len(page.items) - room), self.row - room + 1)
        seen = range(self._first, min(len(page.items), self._first + room))
        rows = [self._cells(page.items[at]) for at in seen]
        if not rows:
            return [Content.styled(f"  {self._nothing if page.next is None else 'nothing here'}", "dim")]
        sizes = widths(self._columns, rows, width - _MARKS)
        made = [Content.styled(" " * _MARKS + heading(self._columns, sizes), "bold")]
        for at, cells in zip(seen, rows, strict=True):
            is_meant = active and at == self.row
            is_selected = self.has_all or self._key(page.items[at]) in self.selected
            marks = (">" if is_meant else " ") + ("x " if is_selected else "  ")
            whole = Content(marks) + line(self._columns, cells, sizes, width - _MARKS, plain=is_meant)
            made.append(whole.stylize("reverse") if is_meant else whole)
        return made

    def position(self, is_filtered: bool) -> str:
        """Which part of the whole this is."""
        page = self.page
        if page is None:
            return ""
        passed, count = self._trail[-1][1], len(page.items)
        if is_filtered:
            more = " · l: more" if page.next is not None else ""
            looked = min(page.total, passed + page.looked)
            return f"{count:,} found; {looked:,} of {page.total:,} looked at{more}"
        if not count:
            return f"0 of {page.total:,}" if page.total else ""
        return f"{passed + 1:,}-{passed + count:,} of {page.total:,}"
