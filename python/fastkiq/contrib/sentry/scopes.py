"""The scopes of a run that has ended: the report of its error comes after it, and belongs to them."""

from contextvars import ContextVar
from typing import Final, NamedTuple

from sentry_sdk.scope import Scope


class Scopes(NamedTuple):
    """With its breadcrumbs, tags and trace."""

    jid: str
    isolation: Scope
    current: Scope


ended: Final[ContextVar[Scopes | None]] = ContextVar("fastkiq_sentry", default=None)
"""Of the last run in this context; each job has a context of its own."""
