"""Something done to all entries that match a filter, in slices: after each the page says how far it is, and goes on.

Nothing is done twice: what is done to an entry takes it out of the set, and what has come, or failed again, since the
first slice is left alone.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Filter, JobSet, Outcome, Sweep
from fastkiq.web import filters, grouping
from fastkiq.web.audit import audit_sweep
from fastkiq.web.confirmation import CONFIRM, ask
from fastkiq.web.cursors import inward, outward
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import LIVE, see_other
from fastkiq.web.formats import number
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.job_sets import ALL, SetPages
from fastkiq.web.pages.job_sets import kind_of, listing
from fastkiq.web.query import field
from fastkiq.web.rendering import render
from fastkiq.web.security.form_token import FIELD
from fastkiq.web.view import current
from fastkiq.web.words import ACTIONS, done_words

SLICE: Final = 2.0
"""Seconds that one request works."""
_MOST_CURSOR: Final = 2_100
_FIELDS: Final = (FIELD, CONFIRM, "authenticity_token", "cursor", "before", "looked", "done", "gone", "refused")
_BEFORE: Final = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")


def act_on_all(request: Request, pages: SetPages, name: str) -> Response:
    """Does it to all that match, for a while."""
    filters.check(current().form, _FIELDS)
    wanted = filters.from_form()
    parameters = filters.parameters(wanted)
    back = current().url(pages.path, **parameters)
    jobs, cursor, before = pages.jobs, inward(field("cursor", most=_MOST_CURSOR)), _before()
    if cursor is None and (asked := ask(_question(pages, name, wanted), back)):
        return asked
    swept = _swept(jobs, name, wanted, cursor, before)
    grouping.forget(pages.kind.key)
    audit_sweep(request, ACTIONS[name].deed, pages.kind.key, swept, parameters)
    outcome, looked = _so_far(swept)
    said = " ".join([done_words(name, outcome), *(f"{note}." for note in swept.notes)])
    if swept.cursor is None:
        return see_other(current().url(pages.path, **_after(parameters)), said, kind_of(outcome))
    return render(
        "sweep.html",
        pages=pages,
        said=said,
        looked=looked,
        total=jobs.size + outcome.done + outcome.gone,
        back=back,
        fields={
            **parameters,
            "cursor": outward(jobs, swept.cursor) or "",
            "before": f"{swept.before:.6f}",
            "looked": str(looked),
            "done": str(outcome.done),
            "gone": str(outcome.gone),
            "refused": str(outcome.refused),
        },
    )


def _swept(jobs: JobSet, name: str, wanted: Filter, cursor: str | None, before: float | None) -> Sweep:
    if name == "delete" and not wanted:  # at once, and whatever it is: a million jobs would take minutes one by one
        return Sweep(Outcome(done=jobs.clear()), 0, 0.0, None)
    return jobs.sweep(ACTIONS[name].deed, wanted or None, cursor, before=before, seconds=SLICE)


def _question(pages: SetPages, name: str, wanted: Filter) -> str:
    """With the number that it is about, as far as a short look can tell."""
    if not wanted:
        size = pages.jobs.size
        return {
            "retry": ngettext("Retry the only job here?", "Retry all %(count)s jobs now?", size),
            "add_to_queue": ngettext(
                "Put the only job into its queue?", "Put all %(count)s jobs into their queues now?", size
            ),
            "kill": ngettext("Kill the only job here?", "Kill all %(count)s jobs?", size),
            "delete": ngettext(
                "Delete the only job here? It cannot be brought back.",
                "Delete all %(count)s jobs? They cannot be brought back.",
                size,
            ),
        }[name]
    page = pages.jobs.page(None, 1_000_000, wanted, look=1_000_000, seconds=0.06)
    count = len(page.items)
    asked = {
        "retry": ngettext("Retry the job that matches?", "Retry the %(count)s jobs that match?", count),
        "add_to_queue": ngettext(
            "Put the job that matches into its queue?", "Put the %(count)s jobs that match into their queues?", count
        ),
        "kill": ngettext("Kill the job that matches?", "Kill the %(count)s jobs that match?", count),
        "delete": ngettext(
            "Delete the job that matches? It cannot be brought back.",
            "Delete the %(count)s jobs that match? They cannot be brought back.",
            count,
        ),
    }
    if page.next is None:
        return asked[name]
    at_least = {
        "retry": _("Retry all jobs that match?"),
        "add_to_queue": _("Put all jobs that match into their queues?"),
        "kill": _("Kill all jobs that match?"),
        "delete": _("Delete all jobs that match? They cannot be brought back."),
    }
    found = _(
        "These are at least %(count)s, found among the first %(looked)s of %(total)s; the rest was not looked at yet.",
        count=number(count),
        looked=number(page.looked),
        total=number(page.total),
    )
    return f"{at_least[name]} {found}"


def _so_far(swept: Sweep) -> tuple[Outcome, int]:
    """With the slices before this one, by the form's own fields: they are shown, and nothing else is made of them."""
    outcome = Outcome(_count("done"), _count("gone"), _count("refused"))
    outcome.add(swept.outcome)
    return outcome, _count("looked") + swept.looked


def _after(parameters: dict[str, str]) -> dict[str, str]:
    """Where to go when it is done: a group's listing is empty now."""
    return {name: value for name, value in parameters.items() if name != "group"}


def _before() -> float | None:
    text = field("before")
    if text and not _BEFORE.fullmatch(text):
        raise BadRequest(_("%(name)s must be a time in seconds.", name="before"))
    return float(text) if text else None


def _count(name: str) -> int:
    text = field(name)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def _routes(pages: SetPages, name: str) -> list[BaseRoute]:
    def acted(request: Request) -> Response:
        return act_on_all(request, pages, name)

    def listed(request: Request) -> Response:
        # A page that was posted asks for its own address to keep its figures fresh.
        return listing(request, pages) if LIVE in request.headers else see_other(current().url(pages.path))

    path = f"{pages.path}/all/{name}"
    return [Route(path, acted, methods=["POST"]), Route(path, listed, methods=["GET"])]


routes: Final[list[BaseRoute]] = [route for pages in ALL for name in pages.names for route in _routes(pages, name)]
