"""As many rows as were asked for, from pages that end sooner."""

from collections.abc import Callable
from typing import Final, TypeVar

from fastkiq.api import Page
from fastkiq.cli.output import progress

T = TypeVar("T")

_TOGETHER: Final = 1_000


def gathered(read: Callable[[str | None, int], Page[T]], cursor: str | None, limit: int) -> Page[T]:
    """So many that are wanted, however far one must look for them; `read(cursor, limit)` reads a page. On a
    terminal it tells how far it is."""
    items: list[T] = []
    notes: list[str] = []
    looked = 0
    with progress() as tell:
        while True:
            page = read(cursor, min(limit - len(items), _TOGETHER))
            items += page.items
            notes += [note for note in page.notes if note not in notes]
            looked, cursor = looked + page.looked, page.next
            if len(items) >= limit or cursor is None:
                return Page(items, page.total, looked, cursor, notes)
            tell(f"{looked:,} of {page.total:,} looked at")
