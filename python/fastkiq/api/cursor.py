"""Where a walk over a sorted set goes on: behind a score, and so many entries that have it."""

import math
import re
from typing import Final, NamedTuple

from fastkiq.errors import ArgumentError

_FORM: Final = re.compile(r"(-?[0-9][0-9.e+-]{0,30}|-?inf)_([0-9]{1,12})")


class Cursor(NamedTuple):
    """By the score and not by the number of entries before it: what comes or goes earlier in the set moves nothing."""

    score: str = ""
    """As Redis writes it; empty: at the beginning, or behind the end."""
    ties: int = 0
    """Entries with this very score that are passed over."""

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """A cursor from outside. Raises ArgumentError."""
        if not text:
            return cls()
        found = _FORM.fullmatch(text)
        if found is None or not _is_number(found[1]):
            raise ArgumentError(f"this is no cursor of a listing: {text[:40]!r}")
        return cls(found[1], int(found[2]))

    def text(self) -> str | None:
        """For `parse`; None behind the end."""
        return f"{self.score}_{self.ties}" if self.score else None


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
