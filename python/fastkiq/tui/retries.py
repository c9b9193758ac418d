"""Retries: jobs that failed and wait to run again."""

from typing import ClassVar

from textual.binding import BindingType

from fastkiq.api import Entry, RetrySet
from fastkiq.tui.failed import FailedView
from fastkiq.tui.sets import ARGUMENTS, CLASS, ERROR, JID, QUEUE, TAGS, action_keys, base, fault, when
from fastkiq.tui.table import Column


class RetriesView(FailedView):
    """The next first."""

    TAB = "Retries"
    KIND = RetrySet
    BINDINGS: ClassVar[list[BindingType]] = [
        *action_keys(("R", "retry"), ("D", "delete"), ("K", "kill")),
    ]

    def __init__(self) -> None:
        columns = [Column("Next", right=True), Column("Tries", right=True, rank=1)]
        super().__init__([*columns, QUEUE, CLASS, JID, TAGS, ARGUMENTS, ERROR], _cells, "no retries")


def _cells(entry: Entry) -> list[str]:
    count = entry.job.retry_count
    return [when(entry), "" if count is None else f"{count + 1:,}", *base(entry), fault(entry)]
