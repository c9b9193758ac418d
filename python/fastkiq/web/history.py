"""The daily counts as a chart and as a table: long times summed by the week or the month, so that they can be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from fastkiq.api import Day
from fastkiq.web.i18n import gettext as _

_MOST_DAYS: Final = 93
_MOST_WEEKS: Final = 731  # days


@dataclass(slots=True)
class Span:
    """Some days together."""

    first: date
    last: date
    processed: int = 0
    failed: int = 0

    @property
    def label(self) -> str:
        """`2026-11-27`, or `2026-11-23 – 2026-11-29`."""
        return f"{self.first}" if self.first == self.last else f"{self.first} – {self.last}"


def spans(days: Sequence[Day]) -> list[Span]:
    """The earliest first; weeks begin on Mondays. The first and the last may be parts of theirs."""
    found: list[Span] = []
    began: date | None = None
    for day in reversed(days):
        begins = _beginning(day.date, len(days))
        if begins != began:
            found.append(Span(day.date, day.date))
            began = begins
        found[-1].last = day.date
        found[-1].processed += day.processed
        found[-1].failed += day.failed
    return found


def described(days: int) -> str:
    """What one bar of the chart is."""
    if days <= _MOST_DAYS:
        return _("Each bar is a day in UTC.")
    if days <= _MOST_WEEKS:
        return _("Each bar is the sum of a week in UTC; the first and the last may be of a part of one.")
    return _("Each bar is the sum of a month in UTC; the first and the last may be of a part of one.")


def chart(found: Sequence[Span]) -> dict[str, Any]:
    """For chart.js. The noon of a day is that day in every viewer's zone, or nearly."""
    return {
        "x": [
            int(datetime(span.first.year, span.first.month, span.first.day, 12, tzinfo=UTC).timestamp())
            for span in found
        ],
        "series": [
            {"label": _("Processed"), "values": [span.processed for span in found], "color": "green", "kind": "bar"},
            {"label": _("Failed"), "values": [span.failed for span in found], "color": "red", "kind": "bar"},
        ],
    }


def _beginning(day: date, days: int) -> date:
    if days <= _MOST_DAYS:
        return day
    return day - timedelta(days=day.weekday()) if days <= _MOST_WEEKS else day.replace(day=1)
