"""The metrics of one class."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content

from fastkiq.api import ClassMetrics, MetricsQuery, Redis
from fastkiq.api.metrics import label
from fastkiq.printable import printable
from fastkiq.tui.chart import bar, columns, summed
from fastkiq.tui.forms import figure, short, span
from fastkiq.tui.view import PageView

_PERIODS: Final = ("1h", "2h", "4h", "8h")


@dataclass(frozen=True, slots=True)
class ClassLook:
    """One class in a period."""

    class_name: str
    period: str

    def read(self, redis: Redis) -> ClassMetrics:
        """The counts, minute by minute."""
        return MetricsQuery(redis).of(self.class_name, self.period)


class ClassPage(PageView):
    """Its runs over time, and how long they take."""

    TAB = "Metrics"
    EACH = 5
    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "period", "period")]

    def __init__(self, class_name: str, period: str) -> None:
        super().__init__()
        self._class_name = class_name
        self._period = period if period in _PERIODS else _PERIODS[-1]
        self._metrics: ClassMetrics | None = None

    def request(self) -> ClassLook:
        """The class."""
        return ClassLook(self._class_name, self._period)

    def accept(self, value: Any) -> None:
        """The counts."""
        self._metrics = value

    def action_period(self) -> None:
        """The next longer period."""
        self._period = _PERIODS[(_PERIODS.index(self._period) + 1) % len(_PERIODS)]
        self._metrics = None
        self.refresh()
        self.top.read_now()

    def position(self) -> str:
        """The period."""
        return f"last {self._period} {super().position()}".rstrip()

    def text(self, width: int) -> list[Content]:
        """Totals, runs over time, histogram, deploys."""
        lines = [Content.styled(printable(self._class_name, 500), "bold")]
        metrics = self._metrics
        if metrics is None:
            return [*lines, Content.styled("…", "dim")]
        series = metrics.series
        lines.append(
            Content(
                f"{figure(series.processed)} runs, {figure(series.failed)} failed, "
                f"{span(series.milliseconds / 1_000)} in all, {short(series.average) or '0 s'} on average"
            )
        )
        minute = timedelta(minutes=1)
        times = [metrics.start + minute * at for at in range((metrics.end - metrics.start) // minute)]
        wide = max(10, min(width, len(times)))
        runs = summed([series.by_time.get(at, (0, 0, 0))[0] for at in times], wide)
        failed = summed([series.by_time.get(at, (0, 0, 0))[1] for at in times], wide)
        lines += [Content(""), Content.styled(f"Runs; the highest column {max(runs):,}", "bold underline")]
        lines += [Content(each) for each in columns(runs, wide, 4)]
        lines.append(Content.styled(f"{metrics.start.astimezone():%H:%M}".ljust(wide - 5) + "now", "dim"))
        if any(failed):
            lines.append(Content.styled(f"Failed; the highest column {max(failed):,}", "bold underline"))
            lines += [Content.styled(each, "ansi_red") for each in columns(failed, wide, 2)]
        lines += [Content(""), Content.styled("Runs by duration, shorter than", "bold underline")]
        lines += _histogram(metrics.histogram, width)
        if metrics.marks:
            lines += [Content(""), Content.styled("Deploys", "bold underline")]
            lines += [Content(f"{at.astimezone():%H:%M}  {printable(text, 200)}") for at, text in metrics.marks.items()]
        return lines


def _histogram(counts: list[int], width: int) -> list[Content]:
    filled = [at for at, count in enumerate(counts) if count]
    if not filled:
        return [Content.styled("nothing has run", "dim")]
    top = max(counts)
    room = max(5, min(100, width - 22))
    return [
        Content(f"{label(at):>9} {counts[at]:>9,}  {bar(counts[at], top, room)}")
        for at in range(filled[0], filled[-1] + 1)
    ]
