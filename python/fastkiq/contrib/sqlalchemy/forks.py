"""Engines across forks: a pooled connection in two processes would mix up what each of them says to the database."""

import os
from weakref import WeakSet

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

_engines: WeakSet[Engine] = WeakSet()


def dispose_after_fork(*engines: Engine | AsyncEngine) -> None:
    """Gives forked children pools of their own. What is in the parent's pool stays open, and the parent's.

    A connection that is in use at the moment of the fork is not in the pool: the child must not go on with it.
    """
    for engine in engines:
        _engines.add(engine.sync_engine if isinstance(engine, AsyncEngine) else engine)


def _dispose() -> None:
    for engine in list(_engines):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_dispose)
