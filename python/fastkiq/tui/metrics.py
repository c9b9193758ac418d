"""Metrics: runs by class."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content

from fastkiq.api import Metrics, MetricsQuery, Page, Redis, Series
from fastkiq.printable import printable
from fastkiq.tui.chart import spark
from fastkiq.tui.class_page import ClassPage
from fastkiq.tui.forms import figure, short, span
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.table import Column

PERIODS: Final = ("1h", "2h", "4h", "8h", "24h", "48h", "72h")
_SPARK: Final = 72


@dataclass(frozen=True, slots=True)
class MetricsLook:
    """All classes in a period."""

    period: str
    part: str
    """What the names have in them."""

    def read(self, redis: Redis) -> Metrics:
        """The counts."""
        return MetricsQuery(redis).top(self.period, self.part)


class MetricsView(ListView):
    """The class that took most time first."""

    TAB = "Metrics"
    EACH = 5
    CAN_FILTER = True
    CAN_SELECT = False
    _DETAILS = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "period", "period"),
        Binding("slash", "app.filter", "filter", key_display="/"),
    ]

    def __init__(self) -> None:
        columns = [
            Column("Class", most=44, style="bold"),
            Column("Runs", right=True),
            Column("Failed", right=True, style="ansi_red"),
            Column("Time", right=True),
            Column("Average", right=True),
            Column("Runs over time", most=_SPARK),
        ]
        listing: Listing[Series] = Listing(columns, self._cells, lambda series: series.class_name, "no class has run")
        super().__init__(listing)
        self._period = PERIODS[0]
        self._metrics: Metrics | None = None

    def request(self) -> MetricsLook:
        """All classes."""
        return MetricsLook(self._period, self.filter_text)

    def accept(self, value: Any) -> None:
        """The counts."""
        self._metrics = value
        self.notes = value.notes
        self._show()

    def changed(self, *, asks: bool = False) -> None:
        """Draws it anew: another page is known already, another filter is not."""
        self._show()
        super().changed(asks=asks and self.listing.page is None)

    def position(self) -> str:
        """The period, and which classes are shown."""
        return f"last {self._period} · {super().position()}"

    def lines(self, width: int, height: int) -> list[Content]:
        """The classes, and the deploys."""
        lines = super().lines(width, height)
        marks = self._metrics.marks if self._metrics is not None else {}
        if marks:
            told = "   ".join(f"{at.astimezone():%H:%M} {printable(label, 60)}" for at, label in marks.items())
            lines = [*lines[: height - 1], *[Content("")] * (height - 1 - len(lines)), Content(f"deploys  {told}")]
        return lines

    def action_period(self) -> None:
        """The next longer period."""
        self._period = PERIODS[(PERIODS.index(self._period) + 1) % len(PERIODS)]
        self.listing.reset()
        self._metrics = None
        self.changed(asks=True)

    def action_open(self) -> None:
        """Opens the class."""
        if (series := self.listing.current) is not None:
            self.top.open(ClassPage(series.class_name, self._period))

    def set_filter(self, text: str) -> None:
        """Shows only classes with this in their names."""
        self._metrics = None
        super().set_filter(text)

    def _show(self) -> None:
        if self._metrics is None:
            return
        classes = self._metrics.classes
        at = int(self._listing.cursor or 0)
        after = at + self.limit
        following = str(after) if after < len(classes) else None
        some = classes[at:after]
        self._listing.take(Page(some, len(classes), len(some), following))

    def _cells(self, series: Series) -> list[str]:
        metrics = self._metrics
        times = steps(metrics.start, metrics.end, metrics.step) if metrics is not None else []
        return [
            printable(series.class_name, 200),
            figure(series.processed),
            figure(series.failed) if series.failed else "",
            span(series.milliseconds / 1_000),
            short(series.average),
            spark([series.by_time.get(at, (0, 0, 0))[0] for at in times], max(14, min(_SPARK, self.size.width - 66))),
        ]


def steps(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The beginnings of the steps of a period."""
    return [start + step * at for at in range((end - start) // step)]
