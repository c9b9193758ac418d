"""Moments as schedule files write them, such as `2030/12/01 06:00`."""

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from fastkiq.cron.definition import LATEST
from fastkiq.printable import shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_ZONED: Final = re.compile(r"(\S.*) ([A-Za-z]\S*)")


def moment(value: Any, timezone: str) -> float:
    """Epoch seconds of a number, a datetime, or a text such as `2030-12-01T06:00:00Z`. Raises ValueError.

    One without an offset is meant in `timezone`.
    """
    if type(value) in (int, float) and 0 <= value <= LATEST:
        return float(value)
    found = value
    if isinstance(value, str) and len(value) < 100:
        found = _parsed(value.strip())
    elif type(value) is date:
        found = datetime.combine(value, time())
    if not isinstance(found, datetime):
        raise ValueError(f"must be a moment such as '2030-12-01 06:00', not {shown(value)}")
    if found.utcoffset() is None:
        found = found.replace(tzinfo=_zone(timezone))
    return float(found.timestamp())


def _parsed(text: str) -> datetime | None:
    """As rufus-scheduler has it: slashes will do, and a zone may follow."""
    found = _ZONED.fullmatch(text)
    zone = None if found is None else _zone(found[2])
    try:
        parsed = datetime.fromisoformat((text if found is None else found[1]).replace("/", "-", 2))
    except ValueError:
        return None
    return parsed if zone is None else parsed.replace(tzinfo=zone)


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only here: few files name a moment

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {shown(name)}") from None
