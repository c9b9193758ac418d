"""A part of a listing, and where the next one begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what is there. Nothing more is read than what a page shows, whatever there is."""

    items: Sequence[T]
    total: int
    """How many there are in all, without regard to a filter."""
    looked: int = 0
    """How many were looked at for this page: with a filter more than it has."""
    next: str | None = None
    """The cursor of the next page; None when this was the last one. Opaque, made of letters, digits and `_.:+-`."""
    notes: Sequence[str] = ()
    """What is not shown, and why; for people."""
