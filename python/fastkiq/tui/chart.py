"""Charts of block characters, which need no colour."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_ACROSS: Final = " ▏▎▍▌▋▊▉█"


def columns(values: Sequence[int], width: int, height: int) -> list[str]:
    """The last values as columns, the latest at the right, scaled to the largest; from top to bottom."""
    shown = [0] * (width - len(values)) + list(values)[-width:] if width > 0 else []
    top = max(shown, default=0)
    lines = []
    for row in range(height - 1, -1, -1):
        cells = (max(0, min(8, _eighths(value, top, height) - 8 * row)) for value in shown)
        lines.append("".join(_EIGHTHS[cell] for cell in cells))
    return lines


def spark(values: Sequence[int], width: int) -> str:
    """The values in one line: neighbours are added up where there are more of them than cells."""
    if width <= 0 or not values:
        return ""
    if len(values) > width:
        values = summed(values, width)
    top = max(values)
    return "".join(_EIGHTHS[_eighths(value, top, 1)] for value in values)


def summed(values: Sequence[int], count: int) -> list[int]:
    """Neighbours added up, so that so many are left."""
    edges = [at * len(values) // count for at in range(count + 1)]
    return [sum(values[start:end]) for start, end in pairwise(edges)]


def bar(value: int, top: int, width: int) -> str:
    """A bar from left to right: `top` fills the width, and what is more than nothing shows."""
    eighths = _eighths(value, top, width)
    return "█" * (eighths // 8) + (_ACROSS[eighths % 8] if eighths % 8 else "")


def _eighths(value: int, top: int, cells: int) -> int:
    if value <= 0 or top <= 0:
        return 0
    return max(1, math.floor(8 * cells * value / top))
