"""The page of one job: in one of the sets, in a queue, in a process."""

import re
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Entry
from fastkiq.web import grouping
from fastkiq.web.audit import audit
from fastkiq.web.confirmation import ask
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import see_other
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_page import download, gone, run_again, show
from fastkiq.web.job_sets import ALL, DEAD, SetPages, find
from fastkiq.web.pages.job_sets import pressed, told
from fastkiq.web.places import in_set
from fastkiq.web.query import field
from fastkiq.web.view import current
from fastkiq.web.words import ACTIONS, question

_UNITS: Final = {"minutes": 60, "hours": 3_600, "days": 86_400}
_AMOUNT: Final = re.compile(r"[0-9]{1,6}")


def _key(request: Request) -> str:
    return str(request.path_params["key"])


def _gone(pages: SetPages, key: str) -> Response:
    said = {
        "/retries": _("This job is not among the retries any more: it runs, has run, or somebody has moved it."),
        "/scheduled": _("This job is not scheduled any more: it was due, or somebody has moved it."),
        "/morgue": _("This job is not among the dead any more: somebody has moved it, or it was there for too long."),
    }
    return gone(said[pages.path], key.partition("-")[2])


def entry_page(request: Request, pages: SetPages, entry: Entry) -> Response:
    """An entry of a set."""
    return show(request, entry.job, in_set(pages, entry), entry.length)


def entry_acted(request: Request, pages: SetPages, entry: Entry) -> Response:
    """A button of its page."""
    name, place = pressed(pages), in_set(pages, entry)
    if ACTIONS[name].asks and (asked := ask(question(name, 1), place.url)):
        return asked
    return see_other(place.list_url, *told(request, pages, name, [entry]))


def entry_again(request: Request, pages: SetPages, entry: Entry) -> Response:
    """Run again."""
    return run_again(request, entry.job, in_set(pages, entry), entry.length)


def entry_raw(request: Request, pages: SetPages, entry: Entry) -> Response:
    """The payload as a file."""
    return download(entry.job)


def entry_rescheduled(request: Request, pages: SetPages, entry: Entry) -> Response:
    """Another time: so many minutes, hours or days from now."""
    amount, unit = field("amount").strip(), field("unit", "minutes")
    if unit not in _UNITS or not _AMOUNT.fullmatch(amount):
        raise BadRequest(_("A whole number of minutes, hours or days from now is wanted."))
    if pages is DEAD:
        raise BadRequest(_("The dead have no time at which they run."))
    at = time.time() + int(amount) * _UNITS[unit]
    if not pages.jobs.reschedule(entry, at):
        return _gone(pages, _key(request))
    audit(
        request,
        "reschedule",
        set=pages.kind.key,
        jid=entry.job.jid,
        job_class=entry.job.class_name,
        at=f"{at:.3f}",
        count=1,
    )
    grouping.forget(pages.kind.key)
    return see_other(current().url(pages.path), _("The job %(jid)s has another time now.", jid=entry.job.jid[:100]))


def _routes(pages: SetPages) -> list[BaseRoute]:
    def with_entry(handler: Callable[[Request, SetPages, Entry], Response]) -> Callable[[Request], Response]:
        def handled(request: Request) -> Response:
            entry = find(pages, _key(request))
            return _gone(pages, _key(request)) if entry is None else handler(request, pages, entry)

        return handled

    page = pages.path + "/{key}"
    return [
        Route(page, with_entry(entry_page), methods=["GET"]),
        Route(page, with_entry(entry_acted), methods=["POST"]),
        Route(page + "/raw", with_entry(entry_raw), methods=["GET"]),
        Route(page + "/again", with_entry(entry_page), methods=["GET"]),
        Route(page + "/again", with_entry(entry_again), methods=["POST"]),
        Route(page + "/reschedule", with_entry(entry_rescheduled), methods=["POST"]),
    ]


routes: Final[list[BaseRoute]] = [route for pages in ALL for route in _routes(pages)]
