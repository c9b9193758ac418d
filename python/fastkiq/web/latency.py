"""How long runs took, as far as a histogram tells: in which of its buckets they fall."""

from collections.abc import Sequence
from typing import NamedTuple

from fastkiq.api.metrics import BOUNDS
from fastkiq.web.formats import number
from fastkiq.web.i18n import gettext as _


class Bucket(NamedTuple):
    """A row of the table."""

    label: str
    runs: int
    share: float
    """Of all runs: 0 to 1."""
    below: float
    """Share of the runs in it and in those before it."""


def percentile(histogram: Sequence[int], percent: int) -> str | None:
    """The bound below which so many of a hundred runs lie, as far as buckets can tell; None when there are none."""
    needed, seen = -(-sum(histogram) * percent // 100), 0
    if not needed:
        return None
    for index, count in enumerate(histogram):
        seen += count
        if seen >= needed:
            return _("below %(time)s", time=bound(index)) if index < len(BOUNDS) else label(index)
    return None


def buckets(histogram: Sequence[int]) -> list[Bucket]:
    """Those from the first to the last in which something is."""
    used = [index for index, count in enumerate(histogram) if count]
    whole, seen, found = sum(histogram), 0, []
    for index in range(used[0], used[-1] + 1) if used else ():
        seen += histogram[index]
        found.append(Bucket(label(index), histogram[index], histogram[index] / whole, seen / whole))
    return found


def label(index: int) -> str:
    """`20–30 ms`: the times of a bucket."""
    if index == 0:
        return _("below %(time)s", time=bound(0))
    if index == len(BOUNDS):
        return _("%(time)s or more", time=bound(index - 1))
    return _("%(from)s to %(to)s", **{"from": bound(index - 1), "to": bound(index)})


def bound(index: int) -> str:
    """The upper end of a bucket."""
    milliseconds = BOUNDS[index]
    if milliseconds < 1_000:
        return _("%(number)s ms", number=number(milliseconds))
    seconds = milliseconds / 1_000
    return _("%(number)s s", number=number(seconds, 0 if seconds == int(seconds) else 2 if seconds * 10 % 1 else 1))
