"""What can be done to recurring jobs, for the pages and for the JSON API: done, and written into the audit log."""

from typing import Final

from starlette.requests import Request

from fastkiq.api import RecurringJob, RecurringSet
from fastkiq.errors import ArgumentError
from fastkiq.web.audit import audit
from fastkiq.web.errors import NotFound, Refused
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

DEEDS: Final = ("run", "pause", "resume", "remove")


def find(request: Request) -> tuple[RecurringSet, RecurringJob]:
    """The one of the request's path. Raises NotFound."""
    recurring = RecurringSet(current().site.redis)
    found = recurring.get(request.path_params["name"])
    if found is None:
        raise NotFound(_("There is no such recurring job. It may have been removed."))
    return recurring, found


def do(request: Request, recurring: RecurringSet, name: str, deed: str) -> str | None:
    """One of DEEDS; answers the jid of a run. Raises Refused."""
    jid = None
    try:
        if deed == "run":
            jid = recurring.run_now(name)
        else:
            {"pause": recurring.pause, "resume": recurring.resume, "remove": recurring.remove}[deed](name)
    except ArgumentError as error:
        raise Refused(409, str(error)) from None
    audit(request, deed, cron=name, jid=jid)
    return jid
