"""Numbers and times as short texts."""

import time
from datetime import datetime
from typing import Final

_UNITS: Final = ((120.0, 1.0, "s"), (7_200.0, 60.0, "min"), (172_800.0, 3_600.0, "h"), (float("inf"), 86_400.0, "d"))


def figure(number: int) -> str:
    """A count in at most ten characters: `12,345,678`, `12.3 G`."""
    for size, unit in ((10**12, "T"), (10**9, "G")):
        if abs(number) >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,}" if abs(number) < 10**8 else f"{number / 10**6:,.1f} M"


def span(seconds: float | None) -> str:
    """A duration: `0.4 s`, `12 min`, `3.5 h`, `20 d`; nothing for None."""
    if seconds is None:
        return ""
    size, unit = next((size, unit) for most, size, unit in _UNITS if abs(seconds) < most or most == float("inf"))
    value = seconds / size
    return f"{value:,.1f} {unit}" if abs(value) < 9.95 else f"{value:,.0f} {unit}"


def short(seconds: float) -> str:
    """The duration of a run: `340 us`, `12.4 ms`, `3.1 s`."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}" if seconds < 120 else span(seconds)
    return f"{seconds * 1e6:,.0f} us" if seconds else ""


def away(score: float) -> str:
    """A time seen from now: `in 12 s`, `3.0 h ago`; `?` for what is no time."""
    seconds = score - time.time()
    if not abs(seconds) < 1e11:
        return "?"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def clock(at: float) -> str:
    """Epoch seconds as a time of day here."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def moment(at: datetime | None) -> str:
    """A time in full, in this machine's zone; nothing for None."""
    try:
        return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (OverflowError, OSError, ValueError):  # the year 9999 in a zone east of here
        return f"{at}"


def size(count: int) -> str:
    """Bytes: `812 B`, `1.4 MiB`."""
    power = next((power for power in range(4) if abs(count) < 1_024 ** (power + 1)), 4)
    value = count / 1_024**power
    return f"{value:,.0f} B" if not power else f"{value:,.{0 if value >= 100 else 1}f} {'KMGT'[power - 1]}iB"
