"""Enqueueing when a transaction commits: until then the payloads of a push are held here, and a rollback drops them.

A push belongs to every transaction that is open around it: of each Session that this thread or task has used, as its
ContextVar tells. It is sent when all of them have committed. `SessionTransaction` tells its end by `after_commit`,
`after_rollback` or neither (the session was closed), and in any case by `after_transaction_end`. What was written, the
connection tells: also of statements that the session knows nothing of.
"""

import logging
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet, finalize, ref

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, scoped_session, sessionmaker

from fastkiq import outlets
from fastkiq.contrib.sqlalchemy.held import Held, drop, send
from fastkiq.contrib.sqlalchemy.statements import reads, writes_beside
from fastkiq.errors import ConfigError
from fastkiq.outlets import Payload, Push

_logger: Final = logging.getLogger("fastkiq.contrib.sqlalchemy")


def enqueue_after_commit(*makers: Any) -> None:
    """Holds back what is enqueued while a Session of these makers is in a transaction, until it has committed.

    `makers` are of the kinds sessionmaker, async_sessionmaker, scoped_session, or classes derived from Session. The
    jids are answered at once. A rollback drops the jobs; so does a rollback to a savepoint those enqueued since.
    Raises ConfigError for what is no maker.
    """
    for maker in makers:
        sessions = _sessions_of(maker)
        if sessions not in _heard:
            _heard.add(sessions)
            for name, function in _LISTENERS.items():
                # Before those of others, which may raise: the transaction has committed all the same.
                event.listen(sessions, name, function, insert=True)
    outlets.add(_outlet)


def _sessions_of(maker: Any) -> type[Session]:
    """The class of its sessions, which each sessionmaker has of its own. Raises ConfigError for what is no maker."""
    given = maker
    if isinstance(maker, async_sessionmaker):
        inner = maker.kw.get("sync_session_class", maker.class_.sync_session_class)
        if isinstance(inner, type):  # of its own, since other makers may have the same
            inner = sessionmaker(class_=inner)
            maker.configure(sync_session_class=inner)
        maker = inner
    if isinstance(maker, scoped_session):
        maker = maker.session_factory
    if isinstance(maker, sessionmaker):
        maker = maker.class_
    if isinstance(maker, type) and issubclass(maker, Session):
        return maker
    raise ConfigError(
        "enqueue_after_commit wants a sessionmaker, async_sessionmaker, scoped_session or a class of sessions, "
        f"not {given!r:.80}"
    )


_heard: Final[WeakSet[type[Session]]] = WeakSet()
"""Those that are listened to. `event.contains` goes by the address of a maker, where one that is gone may have been."""


class _Record:
    """What is known of one transaction, or of what lies between a savepoint and its end."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.wrote = False
        self.committed = False


_records: Final[WeakKeyDictionary[SessionTransaction, _Record]] = WeakKeyDictionary()
_users: Final[WeakKeyDictionary[Connection, tuple[ref[Session], ...]]] = WeakKeyDictionary()
"""The sessions that have begun a transaction on this connection: one, unless they are bound to it, as in a test."""
_used: Final[ContextVar[tuple[ref[Session], ...]]] = ContextVar("fastkiq_sessions", default=())
"""The sessions that this thread or task has used, as far as they have been in a transaction since."""


def _outlet(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    open_ = [session for one in _used.get() if (session := one()) is not None and session.in_transaction()]
    if not open_:
        return push(payloads)
    taken = list(payloads)
    if taken:
        held = Held(taken, push, waits=len(open_))
        for session in open_:
            record = _record(session)
            record.held.append(held)
            record.wrote = record.wrote or bool(session.dirty or session.deleted)  # no event tells of these
    return [payload["jid"] for payload in taken]


def _record(session: Session) -> _Record:
    transaction = session.get_nested_transaction() or session.get_transaction()
    assert transaction is not None
    return _records.setdefault(transaction, _Record())  # one that was open before `enqueue_after_commit`


def _use(session: Session) -> None:
    """Notes that the session is used here; it may have been opened by another thread, of a web framework say."""
    used = _used.get()
    for one in used:
        if one() is session:
            return
    living = [one for one in used if (other := one()) is not None and other.in_transaction()]
    _used.set((*living, ref(session)))


def _begun(session: Session, transaction: SessionTransaction) -> None:
    _use(session)
    if transaction.parent is None or transaction.nested:
        record = _records[transaction] = _Record()
        finalize(transaction, _abandoned, record)


def _connected(session: Session, _: SessionTransaction, connection: Connection) -> None:
    """On the connection itself, since an engine's listeners come too late for the connections there are."""
    users = _users.get(connection)
    if users is None:
        users = ()
        event.listen(connection, "before_cursor_execute", _sent)
    _users[connection] = (*(one for one in users if one() not in (None, session)), ref(session))


def _sent(connection: Connection, _cursor: Any, sql: str, _values: Any, context: ExecutionContext, _many: bool) -> None:
    """A statement goes to the database: a session's own, or one that is executed on `session.connection()`."""
    statement = context.invoked_statement
    does_read = reads(sql if statement is None else statement)  # None: of `exec_driver_sql`
    does_read = does_read and not writes_beside(context.compiled)
    for one in _users[connection]:
        session = one()
        if session is not None and session.in_transaction():
            _use(session)
            if not does_read:
                _record(session).wrote = True


def _written(session: Session, *_: Any) -> None:
    _use(session)
    if session.in_transaction():  # else its statements will tell
        _record(session).wrote = True


def _attached(session: Session, _: Any) -> None:
    _use(session)


def _executed(state: ORMExecuteState) -> None:
    """Of a transaction that was open before `enqueue_after_commit` this tells, not its connection."""
    if reads(state.statement):
        _use(state.session)
    else:
        _written(state.session)


def _committed(session: Session) -> None:
    _record(session).committed = True


def _rolled_back(session: Session) -> None:
    record = _record(session)
    _drop(record, logging.INFO, "the transaction was rolled back")


def _ended(session: Session, transaction: SessionTransaction) -> None:
    record = _records.pop(transaction, None)
    if record is None:
        return  # a part of a flush
    parent = transaction.parent
    if record.wrote and not record.committed:
        _drop(record, logging.WARNING, "the session was closed without a commit")
    elif parent is None:
        # Closed without a commit but having written nothing, it had nothing to commit: that is how one reads.
        held, record.held = record.held, []
        send([one for one in held if one.passed()])
    else:
        outer = _record(session)
        outer.held += record.held
        outer.wrote = outer.wrote or record.wrote
        record.held = []


def _abandoned(record: _Record) -> None:
    _drop(record, logging.WARNING, "the session was never committed nor closed")


def _drop(record: _Record, level: int, why: str) -> None:
    held, record.held = record.held, []
    drop([one for one in held if one.cancel()], level, why)


_LISTENERS: Final[dict[str, Any]] = {
    "after_transaction_create": _begun,
    "after_transaction_end": _ended,
    "after_commit": _committed,
    "after_rollback": _rolled_back,
    "after_attach": _attached,
    "transient_to_pending": _written,
    "before_flush": _written,
    "do_orm_execute": _executed,
    "after_begin": _connected,
}
