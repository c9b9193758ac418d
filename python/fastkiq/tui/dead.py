"""Dead: jobs that failed for the last time."""

from typing import ClassVar

from textual.binding import BindingType

from fastkiq.api import DeadSet
from fastkiq.tui.failed import FailedView
from fastkiq.tui.sets import ARGUMENTS, CLASS, ERROR, JID, QUEUE, TAGS, action_keys, base, fault, when
from fastkiq.tui.table import Column


class DeadView(FailedView):
    """The latest first."""

    TAB = "Dead"
    KIND = DeadSet
    BINDINGS: ClassVar[list[BindingType]] = [
        *action_keys(("R", "retry"), ("D", "delete")),
    ]

    def __init__(self) -> None:
        columns = [Column("Died", right=True), QUEUE, CLASS, JID, TAGS, ARGUMENTS, ERROR]
        super().__init__(columns, lambda entry: [when(entry), *base(entry), fault(entry)], "no dead jobs")
