"""Recurring jobs: when each comes next and what became of the last ones; paused, resumed and run by hand from here."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import RecurringSet
from fastkiq.printable import printable
from fastkiq.web.confirmation import ask
from fastkiq.web.cron_deeds import DEEDS, do, find
from fastkiq.web.cron_rows import history_row, row
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import see_other
from fastkiq.web.i18n import gettext as _
from fastkiq.web.notes import first_notes
from fastkiq.web.query import bounded_int, bounded_text, field
from fastkiq.web.rendering import render
from fastkiq.web.summary import read_figures
from fastkiq.web.view import current

PAGE: Final = 100
_UPCOMING: Final = 10


def cron(request: Request) -> Response:
    """A hundred of them at a time, by name."""
    view = current()
    figures = read_figures(view.site.redis)
    wanted = bounded_text(request, "substr", most=200)
    number = bounded_int(request, "page", 1, 1, 1_000)
    notes = list(figures.summary.notes)
    recurring = RecurringSet(view.site.redis)
    names = recurring.names(notes)
    found = [name for name in names if wanted in name]
    some = found[(number - 1) * PAGE : number * PAGE]
    return render(
        "cron.html",
        figures=figures,
        count=len(names),
        rows=[row(each) for each in recurring.some(some)],
        wanted=wanted,
        first=view.here(page=None) if number > 1 else None,
        next=view.here(page=number + 1) if number * PAGE < len(found) else None,
        notes=first_notes(notes),
    )


def one(request: Request) -> Response:
    """One: its definition, the ticks to come, and its history."""
    recurring, found = find(request)
    return render(
        "cron_entry.html",
        row=row(found),
        upcoming=recurring.upcoming(found.name, _UPCOMING),
        history=[history_row(run) for run in recurring.history(found.name)],
    )


def acted(request: Request) -> Response:
    """Runs it once now, pauses, resumes or removes it."""
    recurring, found = find(request)
    deed = next((key for key, _value in current().form if key in DEEDS), None)
    if deed is None:
        raise BadRequest(_("Nothing was asked for: one of %(names)s is.", names=", ".join(DEEDS)))
    shown = printable(found.name, 200)
    listing = current().url("/cron")
    back = listing if field("from") == "cron" else current().url("/cron", found.name)
    if deed == "remove" and (asked := ask(_("Remove the recurring job %(name)s for good?", name=shown), back)):
        return asked
    jid = do(request, recurring, found.name, deed)
    texts = {
        "run": _("%(name)s was enqueued once, as the job %(jid)s.", name=shown, jid=jid or ""),
        "pause": _("%(name)s is paused: its ticks pass without a job.", name=shown),
        "resume": _("%(name)s runs again from its next tick on.", name=shown),
        "remove": _("%(name)s was removed.", name=shown),
    }
    return see_other(listing if deed == "remove" else back, texts[deed])


routes: Final[list[BaseRoute]] = [
    Route("/cron", cron, methods=["GET"]),
    Route("/cron/{name}", one, methods=["GET"]),
    Route("/cron/{name}", acted, methods=["POST"]),
]
