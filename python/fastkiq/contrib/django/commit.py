"""Enqueueing when the transaction has been committed, and not at all when it is rolled back.

- `hold` is an outlet: it sees every push of this process, of tasks and of plain workers.
- The connection of the calling thread tells: a thread without an open transaction pushes at once, and so does one
  with autocommit switched off, where Django knows no end of a transaction.
- Django runs what waits in the order of the calls, and drops what a savepoint's rollback takes back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from logging import getLogger
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import connections

from fastkiq import outlets
from fastkiq.outlets import Payload, Push

_logger: Final = getLogger("fastkiq.contrib.django")
_everywhere: tuple[str, ...] = ()
_here: ContextVar[tuple[str, ...] | None] = ContextVar("fastkiq_django_databases", default=None)


def install(databases: tuple[str, ...]) -> None:
    """From now on every push waits for the open transactions of these databases; of none: as if it were not there."""
    global _everywhere
    _everywhere = databases
    if databases:
        outlets.add(hold)
    else:
        outlets.remove(hold)
    outlets.in_thread = _in_the_thread_of_transactions if databases else None


@contextmanager
def waiting_for(databases: tuple[str, ...] | None) -> Iterator[None]:
    """Other databases than the installed ones for the pushes inside; None leaves those as they are."""
    if databases is None:
        yield
        return
    if databases:
        outlets.add(hold)
    token = _here.set(databases)
    try:
        yield
    finally:
        _here.reset(token)


def hold(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    """The outlet. What it holds back has been checked, so that only Redis can refuse it when the time has come."""
    transaction = open_transaction()
    if transaction is None:
        return push(payloads)
    held = list(payloads)
    others = tuple(alias for alias in _named() if alias != transaction.alias)
    transaction.on_commit(partial(_push, held, push, others))
    return [payload["jid"] for payload in held]


def when_committed(call: Callable[[], Any]) -> None:
    """Calls it now, or after what has been held back until now."""
    transaction = open_transaction()
    if transaction is None:
        call()
    else:
        transaction.on_commit(call)


def open_transaction() -> Any:
    """The connection whose transaction is waited for, if one of this thread has one open."""
    for alias in _named():
        connection = connections[alias]
        if connection.in_atomic_block:
            return connection
    return None


def _named() -> tuple[str, ...]:
    named = _here.get()
    return _everywhere if named is None else named


def _push(held: list[Payload], push: Push, others: tuple[str, ...]) -> None:
    """One database has committed; the transaction of another one may still be open."""
    with waiting_for(others):
        try:
            hold(held, push)
        except BaseException as error:
            outlets.unsent(error, held, _logger)
            raise


async def _in_the_thread_of_transactions(call: Callable[[], Any]) -> Any:
    """Of coroutines that run inside of `async_to_sync`: the thread below them, whose transaction may be open."""
    return await sync_to_async(call, thread_sensitive=True)()
