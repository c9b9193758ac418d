"""Scheduled: jobs that wait for their time."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from fastkiq.api import ScheduledSet
from fastkiq.tui.sets import ARGUMENTS, CLASS, JID, QUEUE, TAGS, SetView, action_keys, base, when
from fastkiq.tui.table import Column


class ScheduledView(SetView):
    """The next first."""

    TAB = "Scheduled"
    KIND = ScheduledSet
    BINDINGS: ClassVar[list[BindingType]] = [
        *action_keys(("E", "enqueue"), ("D", "delete"), ("K", "kill")),
        Binding("slash", "app.filter", "filter", key_display="/"),
    ]

    def __init__(self) -> None:
        columns = [Column("When", right=True), QUEUE, CLASS, JID, TAGS, ARGUMENTS]
        super().__init__(columns, lambda entry: [when(entry), *base(entry)], "nothing is scheduled")
