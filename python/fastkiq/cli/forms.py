"""How values look in a cell. Every text passes `printable`: Redis may hold anything."""

import json
import time
from collections.abc import Sequence
from typing import Any, Final

from fastkiq.cli.table import Column
from fastkiq.printable import printable

_LONGEST: Final = 200
"""Characters of one cell."""


def plain(value: object) -> str:
    """A text, or a number with its thousands apart; nothing for None."""
    if value is None:
        return ""
    return f"{value:,}" if type(value) is int else printable(value, _LONGEST)


def arguments(args: list[Any]) -> str:
    """Arguments as JSON without the brackets around them."""
    return printable(json.dumps(args, ensure_ascii=False)[1:-1], _LONGEST)


def listed(words: Sequence[str]) -> str:
    """Several words."""
    return printable(", ".join(words), _LONGEST)


def place(identity: str) -> str:
    """`host:pid`; the third part tells processes apart that never meet."""
    return plain(identity.rpartition(":")[0] or identity)


def span(seconds: float | None) -> str:
    """`12.0 s`, `3.0 h`."""
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("min", 60.0), ("h", 3_600.0)):
        if seconds < (48 if unit == "h" else 120) * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:,.1f} days"


def moment(epoch: float | None) -> str:
    """`in 12.0 s`, `3.0 h ago`."""
    if epoch is None:
        return ""
    away = epoch - time.time()
    return f"in {span(away)}" if away > 0 else f"{span(-away)} ago"


def enqueued(times: dict[str, Any]) -> str:
    """How long ago a job came into its queue, of a row's `times`."""
    found = times["enqueued_at"] or times["created_at"]
    return "" if found is None else moment(found["epoch"])


JOB: Final[Sequence[Column]] = (
    Column("Class", "class", plain),
    Column("Queue", "queue", plain, spare=True),
    Column("Jid", "jid", plain),
)
DETAILS: Final[Sequence[Column]] = (
    Column("Tags", "tags", listed, free=True),
    Column("Arguments", "args", arguments, free=True),
    Column("Error", "error", plain, free=True),
)
