"""Spans of time as people write them, on the command line and in schedule files; and as they are read out."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from fastkiq.printable import shown

UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    "ms": 0.001,
}
RUFUS: Final[Mapping[str, float]] = {
    **UNITS,
    **dict.fromkeys(("y", "year", "years"), 31_536_000),
    **dict.fromkeys(("M", "month", "months"), 2_592_000),
}
"""Of schedule files: the spans of sidekiq-scheduler are those of rufus-scheduler, where `M` is a month. Not elsewhere:
whoever types `5M` means minutes."""

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", re.ASCII)
_SPAN: Final = re.compile(rf"\s*(?:{_PART.pattern})+", re.ASCII)
_LONGEST: Final = 100  # characters


def seconds(value: Any, units: Mapping[str, float] = UNITS) -> float:
    """Seconds of a number or a text: `90`, `5m`, `1h30m`, `2 days`. A sign needs a number without a unit. Raises
    ValueError, whose text begins with the value."""
    text = str(value) if type(value) in (int, float) else value
    if isinstance(text, str) and text.isascii() and len(text) <= _LONGEST:
        try:
            number = float(text)
        except ValueError:
            number = _sum(text, units)
        if math.isfinite(number):
            return number
    raise ValueError(f"{shown(value)} is no span of time: write seconds, or 250ms, 90s, 5m, 1h30m, 2d, 1w")


def _sum(text: str, units: Mapping[str, float]) -> float:
    """NaN when it is no span."""
    if not _SPAN.fullmatch(text):
        return math.nan
    return sum(float(number) * units.get(unit, math.nan) for number, unit in _PART.findall(text))


def spoken(seconds: float) -> str:
    """`5 minutes`, `1 hour 30 minutes`, `second`: as after the word `every`."""
    parts, rest = [], seconds
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number = rest if unit == "second" else rest // size
        rest -= number * size
        if number > 0:
            parts.append(f"{number:g} {unit}{'' if number == 1 else 's'}")
    text = " ".join(parts) or "0 seconds"
    return text.removeprefix("1 ") if len(parts) == 1 and text.startswith("1 ") else text
