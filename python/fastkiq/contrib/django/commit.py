"""Enqueueing when the transaction has been committed, and not at all when it is rolled back.

- `hold` is an outlet: it sees every push of this process, of tasks and of plain workers.
- The connection of the calling thread tells: a thread without an open transaction pushes at once, and so does one
  with autocommit switched off, where Django knows no end of a transaction, not even that of an `atomic` in it.
- Django runs what waits in the order of the calls, and drops what a savepoint's rollback takes back. When one of the
  callbacks of `on_commit` raises, whoever's it is, it drops those behind it: a line in the log names their jobs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from logging import getLogger
from typing import Any, Final
from weakref import WeakKeyDictionary, finalize, ref

from asgiref.sync import sync_to_async
from django.db import connections

from fastkiq import outlets
from fastkiq.outlets import Payload, Push
from fastkiq.unsent import named, tell

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
    siblings = [one for one in _waiting.get(transaction, ()) if (other := one()) is not None and other.waits]
    one = _Held(held, push, others, transaction)
    _waiting[transaction] = [*siblings, ref(one)]
    transaction.on_commit(one)
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
        if connection.in_atomic_block and connection.commit_on_exit:
            return connection
    return None


def _named() -> tuple[str, ...]:
    named = _here.get()
    return _everywhere if named is None else named


class _Held:
    """Payloads that wait; called when their database has committed, while another one's transaction may be open."""

    def __init__(self, payloads: list[Payload], push: Push, others: tuple[str, ...], transaction: Any) -> None:
        self.payloads = payloads
        self.waits = True
        self._push = push
        self._others = others
        self._transaction = ref(transaction)
        self._dropped = finalize(self, _drop, payloads, self._transaction)
        self._dropped.atexit = False

    def __call__(self) -> None:
        self.waits = False
        self._dropped.detach()
        try:
            with waiting_for(self._others):
                hold(self.payloads, self._push)
        except BaseException as error:
            tell(error, [*self.payloads, *self._rest()], _logger)
            raise

    def _rest(self) -> list[Payload]:
        """What Django, which goes no further after an error, will not call any more."""
        waiting = (one() for one in _waiting.pop(self._transaction(), ()))
        return [payload for one in waiting if one is not None and one.lose() for payload in one.payloads]

    def lose(self) -> bool:
        """Whether it was waiting until now."""
        waited, self.waits = self.waits, False
        self._dropped.detach()
        return waited


def _drop(payloads: list[Payload], transaction: "ref[Any]") -> None:
    """They were never called. Django is back in autocommit before it calls what waits, and not before it rolls back."""
    connection = transaction()
    if connection is not None and connection.autocommit:
        why = "another callback of on_commit, before theirs, has failed after the commit"
        _logger.warning("not enqueued, since %s: %s", why, named(payloads))
    else:
        _logger.info("not enqueued, since the transaction was rolled back: %s", named(payloads))


_waiting: Final[WeakKeyDictionary[Any, list[ref[_Held]]]] = WeakKeyDictionary()
"""By connection, in the order of the calls."""


async def _in_the_thread_of_transactions(call: Callable[[], Any]) -> Any:
    """Of coroutines that run inside of `async_to_sync`: the thread below them, whose transaction may be open."""
    return await sync_to_async(call, thread_sensitive=True)()
