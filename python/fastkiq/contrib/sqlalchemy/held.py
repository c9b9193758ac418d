"""Pushes that wait for transactions, and what becomes of them."""

import asyncio
import logging
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from sqlalchemy.util import concurrency

from fastkiq.errors import PushUncertain, RedisError
from fastkiq.outlets import Payload, Push
from fastkiq.printable import counted, printable

_logger: Final = logging.getLogger("fastkiq.contrib.sqlalchemy")
_await: Final[Any] = getattr(concurrency, "await_", None) or concurrency.await_only  # the latter before SQLAlchemy 2.1
_NAMED: Final = 20


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
        _logger.log(level, "not enqueued, since %s: %s", why, _named(held))


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
            failed = held[position:]
            text = f"the transaction has committed, but not (all) enqueued: {_named(failed)}"
            _logger.error("%s", text, exc_info=error)
            error.add_note(text)
            if isinstance(error, RedisError):
                done = {*error.pushed, *error.uncertain}
                if isinstance(error, PushUncertain):
                    done.add(error.jid or "")
                error.rest = [each for other in failed for each in other.payloads if each["jid"] not in done]
            raise


def _named(held: Sequence[Held]) -> str:
    payloads = [payload for one in held for payload in one.payloads]
    names = ", ".join(f"{each['class']} {each['jid']}" for each in payloads[:_NAMED])
    more = f" and {len(payloads) - _NAMED:,} more" if len(payloads) > _NAMED else ""
    return f"{counted(len(payloads), 'job')}: {printable(names, 4_000)}{more}"
