"""Classes of jobs as the page of their metrics shows them: a table, and a chart of the first ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastkiq.api import Metrics, Series
from fastkiq.api.metrics import total
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

POINTS: Final = 144
"""Points of a chart, at most."""
SPARK_POINTS: Final = 72
# Told apart by their dashes too, for those who do not see the colours.
STYLES: Final[list[tuple[str, list[int]]]] = [
    ("blue", []),
    ("amber", [10, 4]),
    ("green", [2, 4]),
    ("violet", [12, 4, 2, 4]),
    ("red", [6, 6]),
]


_NO_LINE: Final[tuple[str, list[int]]] = ("", [])


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class over the whole period."""

    series: Series
    url: str
    """Of its page; empty when no path can name it."""
    color: str
    """Its line in the chart; empty when it has none."""
    dash: list[int]
    failure_rate: float | None
    """0 to 1; None when nothing ran."""
    spark: list[int]
    """Runs over time."""
    spark_label: str


def class_rows(found: Metrics, period: str, most: int) -> list[ClassRow]:
    """Those that took most time."""
    styles = [*STYLES, *[_NO_LINE] * most]
    return [
        class_row(found, series, period, style) for series, style in zip(found.classes[:most], styles, strict=False)
    ]


def class_row(
    found: Metrics, series: Series, period: str | None = None, style: tuple[str, list[int]] = _NO_LINE
) -> ClassRow:
    """One of them, or all as one."""
    name = series.class_name
    size = -(-(found.end - found.start) // found.step // SPARK_POINTS)
    spark = [sum(processed for processed, _failed, _ms in part) for part in _parts(series, times(found), size)]
    number = current().locale.number
    label = _(
        "Runs over time: at most %(most)s in %(minutes)s min",
        most=number(max(spark, default=0)),
        minutes=number(size * found.step // timedelta(minutes=1)),
    )
    rate = min(1.0, series.failed / series.processed) if series.processed else None
    url = current().url("/metrics", name, period=period) if name not in ("", ".", "..") else ""
    return ClassRow(series, url, *style, rate, spark, label)


def chart(found: Metrics) -> dict[str, Any]:
    """Seconds that the first classes took, and all others together, over time; for `ui.chart`."""
    moments = times(found)
    size = step_size(len(moments))
    named = [(series, series.class_name, *style) for series, style in zip(found.classes, STYLES, strict=False)]
    if others := found.classes[len(STYLES) :]:
        named.append((total(others), _("All others"), "grey", [1, 3]))
    return {
        "x": [int(each.timestamp()) for each in moments[::size]],
        "series": [
            {
                "label": label[:100],
                "color": color,
                "dash": dash,
                "kind": "line",
                "values": [round(sum(ms for _p, _f, ms in part) / 1_000, 3) for part in _parts(series, moments, size)],
            }
            for series, label, color, dash in named
        ],
        "marks": marks(found.marks),
    }


def marks(found: dict[datetime, str]) -> list[dict[str, Any]]:
    """Deploys, for `ui.chart`."""
    return [{"x": int(at.timestamp()), "label": label} for at, label in list(found.items())[-100:]]


def times(found: Metrics) -> list[datetime]:
    """The starts of its steps."""
    return [found.start + found.step * at for at in range((found.end - found.start) // found.step)]


def step_size(count: int, most: int = POINTS) -> int:
    """How many steps become one point, so that there are not too many of them."""
    return max(1, -(-count // most))


def _parts(series: Series, moments: Sequence[datetime], size: int) -> list[list[tuple[int, int, int]]]:
    get, nothing = series.by_time.get, (0, 0, 0)
    counts = [get(each, nothing) for each in moments]
    return [counts[at : at + size] for at in range(0, len(counts), size)]
