"""What frames each screen: tabs and figures above it, state and keys below."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from textual.content import Content
from textual.widget import Widget

from fastkiq.api import Summary
from fastkiq.printable import printable
from fastkiq.tui.forms import clock, figure, span
from fastkiq.tui.table import cut, fitted

if TYPE_CHECKING:
    from fastkiq.tui.app import Top

_FIGURES: Final = ("Processed", "Failed", "Busy", "Enqueued", "Retries", "Scheduled", "Dead")
PATIENCE: Final = 2.0
"""Seconds without an answer of which nothing is said."""


class _Frame(Widget):
    DEFAULT_CSS = "_Frame { height: 1; text-wrap: nowrap; text-overflow: clip; }"

    def __init__(self) -> None:
        super().__init__(markup=False)

    @property
    def top(self) -> "Top":
        """The application."""
        return cast("Top", self.app)


class Head(_Frame):
    """The tabs, and the figures of the last answer."""

    DEFAULT_CSS = "Head { height: 3; text-wrap: nowrap; text-overflow: clip; }"

    def render(self) -> Content:
        """Textual's: three lines."""
        width = self.size.width
        styles = {self.top.tab: "reverse bold"}
        tab_line = Content.assemble(*((f" {name} ", styles.get(name, "")) for name in self.top.tabs))
        room = width - tab_line.cell_length - 1
        place = cut(self.top.place, room) if room > 8 else ""
        tab_line += Content.styled(" " * max(0, width - tab_line.cell_length - len(place)) + place, "dim")
        share = max(9, min(16, width // len(_FIGURES)))
        labels = "".join(fitted(name, share - 1, right=True) + " " for name in _FIGURES)
        values = "".join(fitted(value, share - 1, right=True) + " " for value in _values(self.top.summary))
        figures = Content.styled(values, "bold" if not self.top.is_old else "dim")
        return Content("\n").join([tab_line, Content.styled(labels, "dim"), figures])


class Status(_Frame):
    """Where on the screen one is, and how old it is; in reverse when Redis is away."""

    def render(self) -> Content:
        """Textual's: one line."""
        top, width = self.top, self.size.width
        trouble = _trouble(top)
        if trouble:
            return Content.styled(fitted(f" {trouble}", width), "reverse")
        left = " · ".join(part for part in (top.view.position(), _filter(top)) if part)
        right = f"{'read-only · ' if top.read_only else ''}{clock(top.view.at) if top.view.at else ''}"
        left = cut(left, max(0, width - len(right) - 5))
        fill = "─" * max(0, width - len(left) - len(right) - 4)
        return Content.assemble(("─ " if left else "──", "dim"), left, (f"{' ' if left else '─'}{fill} {right}", "dim"))


class Note(_Frame):
    """What was done last, else what the screen leaves out."""

    def render(self) -> Content:
        """Textual's: one line."""
        if self.top.message:
            return Content.styled(fitted(f" {self.top.message}", self.size.width), "bold")
        notes = list(self.top.view.notes)
        more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
        return Content.styled(cut(f" {printable(notes[0], 500)}{more}" if notes else "", self.size.width), "italic")


class Foot(_Frame):
    """The keys of the screen."""

    def render(self) -> Content:
        """Textual's: one line; what has no room is in the help."""
        ends = [("?", "help"), ("q", "quit")]
        room = self.size.width - _cells(ends)
        shown: list[tuple[str, str]] = []
        hints = [(key.key_display or key.key, key.description) for key in self.top.view.hints()]
        for hint in [*hints, ("← →", "tabs")]:
            if _cells([*shown, hint]) <= room:
                shown.append(hint)
        parts = [each for key, about in [*shown, *ends] for each in ((key, "bold"), (f" {about}  ", "dim"))]
        return Content.assemble(*parts)


def _cells(hints: Sequence[tuple[str, str]]) -> int:
    return sum(len(key) + len(about) + 3 for key, about in hints)


def _values(summary: Summary | None) -> list[str]:
    if summary is None:
        return ["…"] * len(_FIGURES)
    counts = (summary.processed, summary.failed, summary.busy, summary.enqueued)
    return [figure(count) for count in (*counts, summary.retries, summary.scheduled, summary.dead)]


def _filter(top: "Top") -> str:
    return f"filter {printable(top.view.filter_text, 200)}" if top.view.filter_text else ""


def _trouble(top: "Top") -> str:
    age = ""
    if top.answered_at is not None:
        age = f"; this is old, of {clock(top.answered_at)}, {span(max(0.0, time.time() - top.answered_at))} ago"
    if top.trouble:
        return f"{top.trouble}{age}"
    if top.waits > PATIENCE:
        return f"Redis has not answered for {span(top.waits)}{age}"
    return ""
