"""Values as people read them, in the language of the request at hand."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from fastkiq.printable import printable
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value: float | None, digits: int | None = None) -> str:
    """`1,234`; a dash for None and for what is no number."""
    if value is None or not math.isfinite(value):
        return "–"
    return current().locale.number(value, digits)


def size(value: float | None) -> str:
    """Bytes: `1.5 MiB`."""
    if value is None:
        return "–"
    unit = 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{number(value, 1 if unit and value < 100 else 0)} {_UNITS[unit]}"


def duration(seconds: float | None) -> str:
    """`850 ms`, `12.3 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`: two units at most."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        return sign + _("%(number)s ms", number=number(seconds * 1000, 0 if seconds >= 0.01 or not seconds else 2))
    if seconds < 60:
        return sign + _("%(number)s s", number=number(seconds, 1))
    whole = round(seconds)
    if whole < 3600:
        first, second = _("%(number)s min", number=whole // 60), whole % 60 and _("%(number)s s", number=whole % 60)
    elif whole < 86_400:
        first, rest = _("%(number)s h", number=whole // 3600), whole % 3600 // 60
        second = rest and _("%(number)s min", number=rest)
    else:
        first, rest = _("%(number)s d", number=number(whole // 86_400)), whole % 86_400 // 3600
        second = rest and _("%(number)s h", number=rest)
    return f"{sign}{first} {second}" if second else sign + first


def moment(epoch: float | None) -> datetime | None:
    """A time from Redis, in UTC; None for one that no calendar has."""
    try:
        return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def iso(when: datetime) -> str:
    """For `<time datetime>`."""
    return when.isoformat(timespec="milliseconds")


def utc(when: datetime) -> str:
    """For readers without JavaScript."""
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def breakable(text: str) -> Markup:
    """A dotted name that may go on in the next line after a dot, colon or underscore."""
    return Markup("<wbr>").join(re.findall(r"[^._:]*[._:]+|[^._:]+", text))


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "number": number,
    "size": size,
    "duration": duration,
    "moment": moment,
    "iso": iso,
    "utc": utc,
    "breakable": breakable,
    "printable": printable,
}
