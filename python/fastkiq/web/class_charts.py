"""What the page of one class shows of its runs."""

from datetime import timedelta
from typing import Any, Final

from fastkiq.api import ClassMetrics
from fastkiq.api.metrics import PERIODS as MINUTES
from fastkiq.web.class_rows import marks, step_size
from fastkiq.web.heat_map import HeatMap
from fastkiq.web.i18n import gettext as _
from fastkiq.web.latency import buckets, percentile

PERIODS: Final = tuple(MINUTES)
CLASS_PERIODS: Final = tuple(name for name, minutes in MINUTES.items() if minutes <= 480)
_PERCENTILES: Final = (50, 95, 99)
_FULL: Final = 65_535
"""Where a counter of a histogram stops."""


def class_page(found: ClassMetrics) -> dict[str, Any]:
    """The values of its template."""
    series, histogram = found.series, found.histogram
    moments = [found.start + timedelta(minutes=at) for at in range((found.end - found.start) // timedelta(minutes=1))]
    size = step_size(len(moments), 120)
    none = (0, 0, 0)
    parts = [
        [series.by_time.get(each, none) for each in moments[at : at + size]] for at in range(0, len(moments), size)
    ]
    sums = [[sum(each[index] for each in part) for index in range(3)] for part in parts]
    x = [int(each.timestamp()) for each in moments[::size]]
    return {
        "series": series,
        "rate": min(1.0, series.failed / series.processed) if series.processed else None,
        "measured": sum(histogram),
        "percentiles": [(f"p{each}", percentile(histogram, each)) for each in _PERCENTILES],
        "buckets": buckets(histogram),
        "is_full": any(_FULL in each for each in found.histograms.values()),
        "heat": HeatMap.of(found.start, moments, found.histograms, found.marks),
        "marks": found.marks,
        "step": size,
        "runs": {
            "x": x,
            "series": [
                {"label": _("Runs"), "color": "blue", "kind": "bar", "values": [each[0] for each in sums]},
                {"label": _("Failed"), "color": "red", "kind": "line", "values": [each[1] for each in sums]},
            ],
            "marks": marks(found.marks),
        },
        "averages": {
            "x": x,
            "series": [
                {"label": _("Average"), "color": "violet", "kind": "line", "values": [_average(each) for each in sums]}
            ],
            "marks": marks(found.marks),
        },
    }


def _average(counts: list[int]) -> float | None:
    """Milliseconds of a run that went well; None when none did."""
    processed, failed, milliseconds = counts
    return round(milliseconds / (processed - failed), 1) if processed > failed else None
