"""What Redis holds, as values of the expected kinds, or as nothing: it may be hostile."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from fastkiq import _core

T = TypeVar("T")

LONGEST: Final = 1_048_576
"""Bytes of an entry that is read whole."""
ANSWER: Final = 4_194_304
"""Bytes of one answer, about."""
TOGETHER: Final = 1_000
"""Keys or entries of one call."""


def text(value: object) -> str:
    """Bytes as UTF-8, what is none replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def number(value: object) -> int:
    """A count in Redis's decimal text; what is none counts as 0. Negative ones are somebody's mistake, and shown."""
    found = text(value) if isinstance(value, (bytes, str, int)) and not isinstance(value, bool) else ""
    digits = found.removeprefix("-")
    return int(found) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


def real(value: object) -> float | None:
    """A finite number, from text or JSON."""
    if isinstance(value, bool) or not isinstance(value, (bytes, str, int, float)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def moment(value: object) -> float | None:
    """Epoch seconds, whole or not, as the hashes of processes have them; before the year 5138."""
    found = real(value)
    return found if found is not None and 0 <= found < 1e11 else None


def record(value: object) -> dict[str, Any]:
    """A JSON object; empty when it is none."""
    try:
        found = _core.decode(value if isinstance(value, (bytes, str)) else b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def names(value: object) -> list[str]:
    """The texts of a list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def groups(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """So many at a time."""
    iterator = iter(items)
    while some := list(islice(iterator, most)):
        yield some
