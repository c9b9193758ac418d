"""How long runs took, over time: a map drawn by the server, of shapes with attributes only, and its numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from fastkiq.api.metrics import BOUNDS
from fastkiq.web.formats import number
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.latency import label

COLUMNS: Final = 60
LEVELS: Final = 5
ROW: Final = 18
"""Pixels; the stylesheet has the same."""
_WIDTH: Final = 10
"""Units of a column; the drawing is stretched to the page's width."""
_LEAST_ROWS: Final = 8


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Columns are times, rows are buckets, from the slowest down to the fastest one in use."""

    start: datetime
    step: timedelta
    columns: list[list[int]]
    """Of each time the runs in each of the 26 buckets."""
    rows: range
    """The buckets that are shown, the slowest first."""
    marks: Mapping[datetime, str]

    @classmethod
    def of(
        cls,
        start: datetime,
        moments: Sequence[datetime],
        histograms: Mapping[datetime, list[int]],
        marks: Mapping[datetime, str],
    ) -> "HeatMap":
        """From minutes, several of which may become one column."""
        size = max(1, -(-len(moments) // COLUMNS))
        empty = [0] * (len(BOUNDS) + 1)
        columns = [
            [
                sum(each)
                for each in zip(*(histograms.get(at, empty) for at in moments[first : first + size]), strict=True)
            ]
            for first in range(0, len(moments), size)
        ]
        used = [bucket for bucket in range(len(BOUNDS) + 1) if any(column[bucket] for column in columns)]
        low, high = (used[0], used[-1]) if used else (0, 0)
        high = min(len(BOUNDS), max(high + 1, low + _LEAST_ROWS - 1))
        low = max(0, min(low - 1, high - _LEAST_ROWS + 1))
        return cls(start, timedelta(minutes=size), columns, range(high, low - 1, -1), marks)

    @property
    def most(self) -> int:
        """Runs of the darkest cell."""
        return max((max(column) for column in self.columns), default=0)

    @property
    def labels(self) -> list[str]:
        """Of the rows."""
        return [label(bucket) for bucket in self.rows]

    @property
    def moments(self) -> list[datetime]:
        """The starts of the columns, and of what would follow."""
        return [self.start + self.step * at for at in range(len(self.columns) + 1)]

    @property
    def ticks(self) -> list[datetime]:
        """Some of them, evenly spread, from the first to the end."""
        return self.moments[:: len(self.columns) // 4]

    @property
    def legend(self) -> list[tuple[int, str]]:
        """Level -> the runs it stands for."""
        found: list[tuple[int, str]] = []
        for level in range(1, LEVELS + 1):
            least, most = _least(level, self.most), _least(level + 1, self.most) - 1
            if least <= most:
                found.append((level, number(least) if least == most else f"{number(least)}–{number(most)}"))
        return found

    @property
    def drawing(self) -> Markup:
        """The map."""
        width, height = _WIDTH * len(self.columns), ROW * len(self.rows)
        most, moments, labels = self.most, self.moments, [escape(each) for each in self.labels]
        name = escape(_("Heat map: how many runs took how long, over time. The table below has the same numbers."))
        parts = [
            f'<svg class="heat-map" viewBox="0 0 {width} {height}" height="{height}" preserveAspectRatio="none"'
            f' role="img" aria-label="{name}">'
        ]
        for x, column in enumerate(self.columns):
            when = f"{moments[x]:%H:%M}–{moments[x + 1]:%H:%M} UTC"
            for y, bucket in enumerate(self.rows):
                if count := column[bucket]:
                    parts.append(
                        f'<rect class="heat-{_level(count, most)}" x="{x * _WIDTH}" y="{y * ROW}" width="{_WIDTH}"'
                        f' height="{ROW}"><title>{when}, {labels[y]}: {number(count)}</title></rect>'
                    )
        for at, deploy in self.marks.items():
            place, told = _WIDTH * ((at - self.start) / self.step), escape(_("Deploy: %(label)s", label=deploy))
            parts.append(f'<path class="heat-mark" d="M{place:.1f} 0V{height}"><title>{told}</title></path>')
        return Markup("".join(parts) + "</svg>")

    @property
    def table(self) -> Markup:
        """The rows of the same as a table: times down, buckets across, the fastest first."""
        lines = []
        for at, column in zip(self.moments, self.columns, strict=False):
            counts = [column[bucket] for bucket in reversed(self.rows)]
            cells = "".join(f'<td class="num">{number(count) if count else ""}</td>' for count in counts)
            time = f'<time datetime="{at.isoformat()}" data-time="clock">{at:%H:%M} UTC</time>'
            lines.append(f'<tr><th scope="row">{time}</th>{cells}</tr>')
        return Markup("".join(lines))

    @property
    def summary(self) -> str:
        """What a column is."""
        minutes = self.step // timedelta(minutes=1)
        return ngettext("Each column is %(count)s minute.", "Each column is %(count)s minutes.", minutes)


def _level(count: int, most: int) -> int:
    """1 to LEVELS; by the root, or a single busy cell would pale all others."""
    return max(1, math.ceil(LEVELS * math.sqrt(count / most)))


def _least(level: int, most: int) -> int:
    """The fewest runs of a level."""
    return next(
        (count for count in _near(most * ((level - 1) / LEVELS) ** 2) if _level(count, most) >= level), most + 1
    )


def _near(value: float) -> range:
    first = max(1, int(value) - 1)
    return range(first, first + 5)
