"""Which statements change nothing."""

import re
from typing import Any, Final

from sqlalchemy import TextClause
from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause

_SAVEPOINTS: Final = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)
_ONE_READ: Final = re.compile(
    r"\s*(?:select|set|show)\b(?![^;]*\b(?:into|insert|delete|merge)\b)[^;]*;?\s*", re.IGNORECASE
)


def reads(statement: object) -> bool:
    """Whether this only reads, functions with effects aside. A text may be anything, unless it is a lone SELECT, SET
    or SHOW: programs begin each transaction with one, such as `SET LOCAL app.tenant = 7`."""
    text = statement.text if isinstance(statement, TextClause) else statement
    if isinstance(text, str):
        return _ONE_READ.fullmatch(text) is not None
    return isinstance(statement, _SAVEPOINTS) or bool(getattr(statement, "is_select", False))


def writes_beside(compiled: Any) -> bool:
    """Whether a statement that was compiled to this has another one in its WITH that is more than a select."""
    return any(cte.element.is_dml for cte in getattr(compiled, "ctes", None) or ())
