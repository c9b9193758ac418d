"""Classes of jobs as the page of their metrics shows them: a table, and a chart of the first ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastkiq.api import Metrics, Series
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

POINTS: Final = 144
"""Points of a chart, at most."""
SPARK_POINTS: Final = 72
MOST: Final = 100
"""Classes of the table."""
# Told apart by their dashes too, for those who do not see the colours.
STYLES: Final[list[tuple[str, list[int]]]] = [
    ("blue", []),
    ("amber", [10, 4]),
    ("green", [2, 4]),
    ("violet", [12, 4, 2, 4]),
    ("red", [6, 6]),
]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class, or all together, over the whole period."""

    series: Series
    url: str
    """Of its page; empty when it has none."""
    color: str
    """Its line in the chart; empty when it has none."""
    dash: list[int]
    spark: list[int]
    """Runs over time."""
    spark_label: str

    @property
    def failure_rate(self) -> float | None:
        """0 to 1; None when nothing ran."""
        return min(1.0, self.series.failed / self.series.processed) if self.series.processed else None


class ClassTable:
    """The rows, those that took most time first, the sum of all, and the chart; each class is walked through once."""

    def __init__(self, found: Metrics, period: str) -> None:
        self._found = found
        self._period = period
        self._times = [found.start + found.step * at for at in range((found.end - found.start) // found.step)]
        counts = [_counts(series, self._times) for series in found.classes]
        self._runs = [runs for runs, _seconds in counts]
        self._seconds = [seconds for _runs, seconds in counts]

    @property
    def rows(self) -> list[ClassRow]:
        """At most `MOST` of them."""
        styles = [*STYLES, *[("", list[int]())] * MOST]
        shown = zip(self._found.classes[:MOST], self._runs, styles, strict=False)
        return [self._row(series, runs, self._url(series.class_name), *style) for series, runs, style in shown]

    @property
    def whole(self) -> ClassRow:
        """All classes as one."""
        classes = self._found.classes
        series = Series(
            "",
            processed=sum(each.processed for each in classes),
            failed=sum(each.failed for each in classes),
            milliseconds=sum(each.milliseconds for each in classes),
        )
        return self._row(series, _added(self._runs))

    @property
    def chart(self) -> dict[str, Any]:
        """Seconds that the first classes took, and all others together, over time; for `ui.chart`."""
        size = step_size(len(self._times))
        first = zip(self._found.classes, self._seconds, STYLES, strict=False)
        lines = [(series.class_name, seconds, *style) for series, seconds, style in first]
        if others := self._seconds[len(STYLES) :]:
            lines.append((_("All others"), _added(others), "grey", [1, 3]))
        return {
            "x": [int(each.timestamp()) for each in self._times[::size]],
            "series": [
                {
                    "label": label[:100],
                    "color": color,
                    "dash": dash,
                    "kind": "line",
                    "values": [round(each / 1_000, 3) for each in _folded(milliseconds, size)],
                }
                for label, milliseconds, color, dash in lines
            ],
            "marks": marks(self._found.marks),
        }

    def _row(
        self, series: Series, runs: Sequence[int], url: str = "", color: str = "", dash: list[int] | None = None
    ) -> ClassRow:
        size = step_size(len(self._times), SPARK_POINTS)
        spark, number = _folded(runs, size), current().locale.number
        label = _(
            "Runs over time: at most %(most)s in %(minutes)s min",
            most=number(max(spark, default=0)),
            minutes=number(size * self._found.step // timedelta(minutes=1)),
        )
        return ClassRow(series, url, color, dash or [], spark, label)

    def _url(self, name: str) -> str:
        return current().url("/metrics", name, period=self._period) if name not in ("", ".", "..") else ""


def marks(found: dict[datetime, str]) -> list[dict[str, Any]]:
    """Deploys, for `ui.chart`."""
    return [{"x": int(at.timestamp()), "label": label} for at, label in list(found.items())[-100:]]


def step_size(count: int, most: int = POINTS) -> int:
    """How many steps become one point, so that there are not too many of them."""
    return max(1, -(-count // most))


def _counts(series: Series, times: Sequence[datetime]) -> tuple[list[int], list[int]]:
    """Runs and milliseconds at each time."""
    get, nothing = series.by_time.get, (0, 0, 0)
    counts = [get(each, nothing) for each in times]
    return [each[0] for each in counts], [each[2] for each in counts]


def _added(several: Sequence[Sequence[int]]) -> list[int]:
    return list(map(sum, zip(*several, strict=True)))


def _folded(counts: Sequence[int], size: int) -> list[int]:
    return [sum(counts[at : at + size]) for at in range(0, len(counts), size)]
