"""`--drain`: knows when there is nothing left to do."""

from typing import TYPE_CHECKING, Final

from fastkiq.printable import counted

if TYPE_CHECKING:
    from fastkiq._core import Server

PAUSE: Final = 0.05
"""Seconds between two looks."""
_LOOKS: Final = 3


class Drain:
    """Done when the served queues are empty, nothing runs here, nothing falls due for them within `horizon` seconds.

    Said after three looks that saw the same, since a job on its way from one place to the next is in neither.
    """

    def __init__(self, server: "Server", horizon: float) -> None:
        self._server = server
        self._horizon = horizon
        self._quiet_looks = 0
        self._processed = -1
        self.later = 0
        """Jobs that stay in retry and schedule for these queues."""

    def look(self) -> bool:
        """Whether all is done."""
        processed = self._server.processed
        queued, due, self.later = self._server.pending(self._horizon)
        still = queued == due == self._server.busy == 0 and processed == self._processed
        self._quiet_looks = self._quiet_looks + 1 if still else 0
        self._processed = processed
        return self._quiet_looks >= _LOOKS

    def report(self) -> str:
        """What was done and what stays, in one line."""
        server = self._server
        wait = "waits" if self.later == 1 else "wait"
        stays = f"{self.later:,} {wait} for a later time in retry and schedule" if self.later else "nothing stays"
        return f"drained: {counted(server.processed, 'job')} run, {server.failed:,} failed; {stays}"
