"""Dead: jobs that failed for the last time."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from fastkiq.api import DeadSet
from fastkiq.tui.groups import GroupsView
from fastkiq.tui.sets import ARGUMENTS, CLASS, ERROR, JID, QUEUE, TAGS, SetView, action_keys, base, fault, when
from fastkiq.tui.table import Column


class DeadView(SetView):
    """The latest first."""

    TAB = "Dead"
    KIND = DeadSet
    BINDINGS: ClassVar[list[BindingType]] = [
        *action_keys(("R", "retry"), ("D", "delete")),
        Binding("g", "group", "groups"),
        Binding("slash", "app.filter", "filter", key_display="/"),
    ]

    def __init__(self) -> None:
        columns = [Column("Died", right=True), QUEUE, CLASS, JID, TAGS, ARGUMENTS, ERROR]
        super().__init__(columns, lambda entry: [when(entry), *base(entry), fault(entry)], "no dead jobs")

    def action_group(self) -> None:
        """Opens the errors, grouped."""
        self.top.open(GroupsView(self, self.wanted))
