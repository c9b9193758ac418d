"""SQLAlchemy: a session for each job, jobs that are enqueued when a transaction commits, engines across forks.

How they are used, and what can happen: docs/sqlalchemy.md.
"""

from fastkiq.contrib.sqlalchemy.after_commit import enqueue_after_commit
from fastkiq.contrib.sqlalchemy.forks import dispose_after_fork
from fastkiq.contrib.sqlalchemy.sessions import current_async_session, current_session, session_per_job

__all__ = [
    "current_async_session",
    "current_session",
    "dispose_after_fork",
    "enqueue_after_commit",
    "session_per_job",
]
