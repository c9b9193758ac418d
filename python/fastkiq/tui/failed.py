"""What Retries and Dead have in common: jobs with an error, by which they can be grouped."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from fastkiq.tui.groups import GroupsView
from fastkiq.tui.sets import SetView


class FailedView(SetView):
    """A set of jobs that failed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "group", "groups"),
        Binding("slash", "app.filter", "filter", key_display="/"),
    ]

    def action_group(self) -> None:
        """Opens the errors, grouped."""
        self.top.open(GroupsView(self, self.wanted))
