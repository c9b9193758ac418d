"""A session for each job: opened when it is first asked for, committed when the job has succeeded, closed after it."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextvars import ContextVar
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.contrib.sqlalchemy.forks import dispose_after_fork
from fastkiq.errors import ConfigError, FastkiqError

SyncMaker = sessionmaker[Any] | scoped_session[Any]
AsyncMaker = async_sessionmaker[Any]
_logger: Final = logging.getLogger("fastkiq.contrib.sqlalchemy")


def session_per_job(*makers: SyncMaker | AsyncMaker, config: Config | None = None) -> None:
    """Gives each job sessions of these makers: `current_session()`, and in coroutines `current_async_session()`.

    They are committed when `perform` has returned, before the job counts as done: when that fails, so has the job.
    When `perform` raises, whatever it raises, they are rolled back. The engines that the makers are bound to are
    disposed of in forked children. Called again it replaces what was there. Raises ConfigError for what is no maker.
    """
    for maker in makers:
        bind = _bind(maker)
        if isinstance(bind, Engine | AsyncEngine):
            dispose_after_fork(bind)
    chain = (configuration.default() if config is None else config).server_middleware
    chain.add(
        JobSessions,
        [maker for maker in makers if not isinstance(maker, async_sessionmaker)],
        [maker for maker in makers if isinstance(maker, async_sessionmaker)],
    )


def current_session(maker: SyncMaker | None = None) -> Session:
    """The session of the job that this thread runs; of several makers that of the first, unless one is given.

    Raises FastkiqError outside of such a job: a coroutine has an asynchronous one.
    """
    held = _current.get()
    if not isinstance(held, _Sessions):
        raise FastkiqError(
            "there is no session here: current_session() is for jobs that run on threads, after "
            "session_per_job(sessionmaker); a job with `async def perform` calls current_async_session()"
        )
    return held.session(maker)


def current_async_session(maker: AsyncMaker | None = None) -> AsyncSession:
    """The session of the coroutine job that runs here; of several makers that of the first, unless one is given.

    Raises FastkiqError outside of such a job.
    """
    held = _current.get()
    if not isinstance(held, _AsyncSessions):
        raise FastkiqError(
            "there is no asynchronous session here: current_async_session() is for jobs with `async def perform`, "
            "after session_per_job(async_sessionmaker); any other job calls current_session()"
        )
    return held.session(maker)


class JobSessions:
    """The server middleware of `session_per_job`."""

    def __init__(self, makers: list[SyncMaker], async_makers: list[AsyncMaker]) -> None:
        self._makers = makers
        self._async_makers = async_makers

    def call(self, worker: Any, job: Any) -> Generator[None, Any, None]:
        """Around a job on a thread."""
        sessions = _Sessions(self._makers)
        token = _current.set(sessions)
        try:
            yield
            sessions.commit()
        except BaseException:
            sessions.roll_back()
            raise
        finally:
            sessions.close()
            _current.reset(token)

    async def acall(self, worker: Any, job: Any) -> AsyncGenerator[None, Any]:
        """Around a coroutine."""
        sessions = _AsyncSessions(self._async_makers)
        token = _current.set(sessions)
        try:
            yield
            await sessions.commit()
        except BaseException:
            await sessions.roll_back()
            raise
        finally:
            await sessions.close()
            _current.reset(token)


class _Sessions:
    """Those of one job on a thread."""

    def __init__(self, makers: list[SyncMaker]) -> None:
        self._makers = makers
        self._opened: dict[SyncMaker, Session] = {}

    def session(self, maker: SyncMaker | None) -> Session:
        chosen: SyncMaker = _chosen(self._makers, maker, "sessionmaker")
        if chosen not in self._opened:
            self._opened[chosen] = chosen()
        return self._opened[chosen]

    def commit(self) -> None:
        for maker in self._makers:  # a registry may have made one for code that knows nothing of jobs
            if isinstance(maker, scoped_session) and maker.registry.has():
                self._opened[maker] = maker()
        for session in self._opened.values():
            session.commit()

    def roll_back(self) -> None:
        for maker in self._makers:
            if isinstance(maker, scoped_session) and maker.registry.has():
                self._opened[maker] = maker()
        for session in self._opened.values():
            try:
                session.rollback()
            except Exception:  # the job's own error says more
                _logger.exception("a session could not be rolled back")

    def close(self) -> None:
        for maker, session in self._opened.items():
            session.close()
            if isinstance(maker, scoped_session):
                maker.remove()


class _AsyncSessions:
    """Those of one coroutine."""

    def __init__(self, makers: list[AsyncMaker]) -> None:
        self._makers = makers
        self._opened: dict[AsyncMaker, AsyncSession] = {}

    def session(self, maker: AsyncMaker | None) -> AsyncSession:
        chosen: AsyncMaker = _chosen(self._makers, maker, "async_sessionmaker")
        if chosen not in self._opened:
            self._opened[chosen] = chosen()
        return self._opened[chosen]

    async def commit(self) -> None:
        for session in self._opened.values():
            await session.commit()

    async def roll_back(self) -> None:
        for session in self._opened.values():
            try:
                await session.rollback()
            except Exception:  # the job's own error says more
                _logger.exception("a session could not be rolled back")

    async def close(self) -> None:
        for session in self._opened.values():
            await session.close()


def _bind(maker: object) -> object:
    """What the sessions of a maker are bound to, if it says so. Raises ConfigError for what is no maker."""
    factory: object = maker.session_factory if isinstance(maker, scoped_session) else maker
    if isinstance(factory, sessionmaker | async_sessionmaker):
        return factory.kw.get("bind")
    if factory is not maker:  # a registry's own function
        return None
    raise ConfigError(f"session_per_job wants a sessionmaker, scoped_session or async_sessionmaker, not {maker!r:.80}")


def _chosen(makers: list[Any], maker: Any, kind: str) -> Any:
    if maker is None and makers:
        return makers[0]
    if maker is None or maker not in makers:
        raise FastkiqError(f"session_per_job has been given no {'such ' if maker is not None else ''}{kind}")
    return maker


_current: Final[ContextVar[_Sessions | _AsyncSessions | None]] = ContextVar("fastkiq_sqlalchemy", default=None)
