"""Which statements change nothing."""

import re
from typing import Final

from sqlalchemy import TextClause
from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause

_SAVEPOINTS: Final = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)
_ONE_READ: Final = re.compile(
    r"\s*(?:select|set|show)\b(?![^;]*\b(?:into|insert|delete|merge)\b)[^;]*;?\s*", re.IGNORECASE
)
_WITH_CHANGES: Final = re.compile(r"\s*with\b.*\b(?:insert|update|delete|merge)\b", re.IGNORECASE | re.DOTALL)


def reads(statement: object) -> bool:
    """Whether this only reads, functions with effects aside. A text may be anything, unless it is a lone SELECT, SET
    or SHOW: programs begin each transaction with one, such as `SET LOCAL app.tenant = 7`."""
    text = statement.text if isinstance(statement, TextClause) else statement
    if isinstance(text, str):
        return _ONE_READ.fullmatch(text) is not None
    return isinstance(statement, _SAVEPOINTS) or bool(getattr(statement, "is_select", False))


def changes_before(sql: str) -> bool:
    """Whether a select changes something on its way: `WITH x AS (DELETE ...) SELECT ...`, as PostgreSQL has it."""
    return _WITH_CHANGES.match(sql) is not None
