"""`--at` and `--in`: times on the command line."""

import math
import re
from datetime import datetime
from typing import Final

import click

_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "min": 60, "m": 60, "s": 1, "ms": 0.001}
_PART: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|min|[wdhms])")


def time_of(text: str) -> datetime | float:
    """ISO 8601 with a zone, or epoch seconds. Raises BadParameter."""
    try:
        return float(text)
    except ValueError:
        pass  # then it is a date
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither ISO 8601 nor epoch seconds", param_hint="--at") from None
    if when.utcoffset() is None:
        raise click.BadParameter(f"{text!r} has no time zone: write {when.isoformat()}Z for UTC", param_hint="--at")
    return when


def span_of(text: str, option: str = "--in") -> float:
    """Seconds of `90`, `5m`, `1h30m`, `2d`, `250ms`: larger units first, each once. Raises BadParameter."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _sum(text)
    if not math.isfinite(seconds):
        raise click.BadParameter(
            f"{text!r} is no span of time: write seconds, or 250ms, 90s, 5m, 1h30m, 2d, 1w", param_hint=option
        )
    return seconds


def _sum(text: str) -> float:
    """NaN when it is no span."""
    seconds, at, last = 0.0, 0, math.inf
    while found := _PART.match(text, at):
        size = _UNITS[found[2]]
        if size >= last:
            return math.nan
        seconds, at, last = seconds + float(found[1]) * size, found.end(), size
    return seconds if at and not text[at:].strip() else math.nan
