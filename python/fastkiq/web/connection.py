"""One connection of `fastkiq web`."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE: Final = 40.0
"""Seconds for a request from its first byte to the end of its answer, at least; 30 of them may be the body's."""


class Connection(H11Protocol):
    """uvicorn's, which hangs up on who neither asks nor takes the answer.

    uvicorn itself waits for the first request, and for room for an answer, as long as it takes: as many clients as
    are served at once, each of which sends nothing, would keep everybody else out.
    """

    _seen: object = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins to look."""
        super().connection_made(transport)
        self._look = self.loop.call_later(PATIENCE, self._look_again)

    def connection_lost(self, exc: Exception | None) -> None:
        """Looks no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        if self.cycle is self._seen:  # no request has begun since the last look
            self.transport.abort()
            return
        self._seen = self.cycle
        self._look = self.loop.call_later(PATIENCE, self._look_again)
