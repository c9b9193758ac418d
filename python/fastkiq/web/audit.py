"""The audit log: one line for each action, by the logger `fastkiq.web.audit` at INFO."""

import logging
from collections.abc import Mapping
from typing import Final

from starlette.requests import HTTPConnection

from fastkiq.api import Sweep
from fastkiq.printable import printable
from fastkiq.web.security.loopback import client_address
from fastkiq.web.view import current

LOGGER: Final = logging.getLogger("fastkiq.web.audit")
_LONGEST: Final = 200


def audit(request: HTTPConnection, action: str, **facts: object) -> None:
    """`audit(request, "retry", set="retry", jid=jid, job_class=..., count=1)`: who did what, to what, from where.

    Call it after the deed, with what was really done. All values are escaped, and cut at 200 characters.
    """
    told = "".join(f" {name}={_quoted(value)}" for name, value in facts.items() if value is not None)
    who, address = _quoted(current().who or "-"), _quoted(client_address(request.scope) or "-")
    LOGGER.info("action=%s who=%s from=%s%s", _quoted(action), who, address, told)


def audit_sweep(request: HTTPConnection, action: str, key: str, swept: Sweep, conditions: Mapping[str, str]) -> None:
    """The same of all jobs in a set that fit: how many were looked at, whether it goes on, and what they had to fit."""
    audit(
        request,
        f"{action}-all",
        set=key,
        count=swept.outcome.done,
        refused=swept.outcome.refused or None,
        looked=swept.looked,
        goes_on="yes" if swept.cursor else None,
        **{f"of_{name}": value for name, value in conditions.items()},
    )


def _quoted(value: object) -> str:
    """Quotes around what has spaces, quotes or `=` in it, so that no value can pose as another field."""
    text = printable(value, _LONGEST)
    if text and not any(each in text for each in " \"'=\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
