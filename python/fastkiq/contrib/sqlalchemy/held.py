"""Pushes that wait for transactions, and what becomes of them."""

import asyncio
import logging
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from sqlalchemy.util import concurrency

from fastkiq.outlets import Payload, Push
from fastkiq.unsent import named, tell

_logger: Final = logging.getLogger("fastkiq.contrib.sqlalchemy")
_await: Final[Any] = getattr(concurrency, "await_", None) or concurrency.await_only  # the latter before SQLAlchemy 2.1


class Held:
    """One push that waits for this many transactions."""

    def __init__(self, payloads: list[Payload], push: Push, waits: int) -> None:
        self.payloads = payloads
        self.push = push
        self._waits = waits
        self._lock = Lock()

    def passed(self) -> bool:
        """One of the transactions has committed. True: it was the last one, and the time has come."""
        with self._lock:
            self._waits -= 1
            return self._waits == 0

    def cancel(self) -> bool:
        """One of the transactions was rolled back. False: another was before it."""
        with self._lock:
            first, self._waits = self._waits > 0, -1
            return first


def drop(held: Sequence[Held], level: int, why: str) -> None:
    """Leaves a line in the log about jobs that are not enqueued."""
    if held:
        _logger.log(level, "not enqueued, since %s: %s", why, named(_payloads(held)))


def send(held: Sequence[Held]) -> None:
    """Pushes all, in order; off the event loop's thread when an AsyncSession has committed.

    The first error ends it: it is raised, with a note and a line in the log that name the jobs not enqueued. A
    RedisError has their payloads as `rest`.
    """
    if not held:
        return
    if concurrency.in_greenlet():
        _await(asyncio.to_thread(_send, held))  # in one go, so that a cancelled commit leaves no half behind
    else:
        _send(held)


def _send(held: Sequence[Held]) -> None:
    for position, one in enumerate(held):
        try:
            one.push(one.payloads)
        except BaseException as error:
            tell(error, _payloads(held[position:]), _logger)
            raise


def _payloads(held: Sequence[Held]) -> list[Payload]:
    return [payload for one in held for payload in one.payloads]
