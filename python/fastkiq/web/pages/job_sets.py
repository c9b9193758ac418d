"""Retries, Scheduled, Dead: the listings, and what is done to the entries that are ticked."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Entry, Filter, Outcome, Page
from fastkiq.web import filters, grouping
from fastkiq.web.audit import audit
from fastkiq.web.confirmation import ask
from fastkiq.web.cursors import inward, outward
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import Kind, see_other
from fastkiq.web.formats import number
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.job_sets import ALL, SetPages, find
from fastkiq.web.query import bounded_int, bounded_text, fields
from fastkiq.web.rendering import render
from fastkiq.web.rows import row
from fastkiq.web.view import current
from fastkiq.web.words import ACTIONS, button_words, done_words, question

MOST_ROWS: Final = 100
_SECONDS: Final = 0.03
"""Looked for a filter: of a million entries some thousands."""
_MOST_SEEN: Final = 10**12
_MOST_CURSOR: Final = 2_100


def listing(request: Request, pages: SetPages) -> Response:
    """A part of the set."""
    wanted = filters.from_query(request)
    count = bounded_int(request, "count", 25, 1, MOST_ROWS)
    seen = bounded_int(request, "seen", 0, 0, _MOST_SEEN)
    cursor = inward(bounded_text(request, "cursor", most=_MOST_CURSOR))
    jobs = pages.jobs
    page = jobs.page(cursor, count, wanted or None, seconds=_SECONDS)
    here = current()
    passed = seen + (page.looked if wanted else len(page.items))
    return render(
        "job_set.html",
        pages=pages,
        rows=[row(pages, entry) for entry in page.items],
        page=page,
        filter=filters.parameters(wanted),
        note=_note(page, wanted, seen),
        first=here.here(cursor=None, seen=None, page=None) if cursor else None,
        next=here.here(cursor=outward(jobs, page.next), seen=passed, page=None) if page.next else None,
        buttons=[(name, button_words(pages, name), question(name, None)) for name in pages.names],
        all_buttons=[(name, button_words(pages, name, every=True)) for name in pages.names],
    )


def act_on_ticked(request: Request, pages: SetPages) -> Response:
    """Does one thing to the entries whose boxes were ticked; Sidekiq's forms call them `key[]`."""
    back = current().here()
    action = pressed(pages)
    keys = list(dict.fromkeys([*fields("key"), *fields("key[]")]))
    if not keys:
        return see_other(back, _("Nothing was ticked."), "warning")
    if ACTIONS[action].asks and (asked := ask(question(action, len(keys)), back)):
        return asked
    entries = [entry for key in keys if (entry := find(pages, key)) is not None]
    return see_other(back, *told(request, pages, action, entries, gone=len(keys) - len(entries)))


def told(request: Request, pages: SetPages, name: str, entries: list[Entry], gone: int = 0) -> tuple[str, Kind]:
    """Does it, writes it down, and says what became of it."""
    outcome = pages.jobs.act(ACTIONS[name].deed, entries)
    outcome.gone += gone
    grouping.forget(pages.kind.key)
    audit(
        request,
        ACTIONS[name].deed,
        set=pages.kind.key,
        count=outcome.done,
        gone=outcome.gone or None,
        refused=outcome.refused or None,
        jids=" ".join(entry.job.jid for entry in entries[:20]),
        job_class=entries[0].job.class_name if len(entries) == 1 else None,
    )
    return done_words(name, outcome), kind_of(outcome)


def kind_of(outcome: Outcome) -> Kind:
    """How the message looks."""
    return "ok" if outcome.done and not outcome.refused else "warning"


def pressed(pages: SetPages) -> str:
    """The name of the button in the posted form. Raises BadRequest when there is none that this set has."""
    names = {name for name, _value in current().form}
    given = [name for name in pages.names if name in names]
    if len(given) != 1:
        raise BadRequest(_("One of these must be posted: %(names)s.", names=", ".join(pages.names)))
    return given[0]


def _note(page: Page[Entry], wanted: Filter, seen: int) -> str:
    """How much of the set the page is."""
    total = number(page.total)
    if not page.total:
        return ""
    if not wanted:
        first, last = number(seen + 1), number(seen + len(page.items))
        return _("%(first)s to %(last)s of %(total)s", first=first, last=last, total=total)
    found = ngettext("%(count)s found", "%(count)s found", len(page.items))
    if page.next is None and not seen:
        return _("%(found)s; all %(total)s were looked at", found=found, total=total)
    looked = number(page.looked)
    if not seen:
        return _("%(found)s among the first %(looked)s of %(total)s", found=found, looked=looked, total=total)
    before = number(seen)
    return _(
        "%(found)s among the %(looked)s that follow the first %(before)s, of %(total)s",
        found=found,
        looked=looked,
        before=before,
        total=total,
    )


def _routes(pages: SetPages) -> list[BaseRoute]:
    def listed(request: Request) -> Response:
        return listing(request, pages)

    def acted(request: Request) -> Response:
        return act_on_ticked(request, pages)

    return [Route(pages.path, listed, methods=["GET"]), Route(pages.path, acted, methods=["POST"])]


routes: Final[list[BaseRoute]] = [route for pages in ALL for route in _routes(pages)]
