"""One queue: the jobs that wait in it, and what can be done to it and to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.api import Queue
from fastkiq.job import Job
from fastkiq.printable import printable
from fastkiq.web import filters
from fastkiq.web.arguments import shown_args, unreadable
from fastkiq.web.confirmation import ask
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import see_other
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.query import bounded_int, bounded_text, choice, field, fields
from fastkiq.web.queue_deeds import delete_jobs, do
from fastkiq.web.rendering import render
from fastkiq.web.view import current
from fastkiq.web.waiting_jobs import key_of

MOST_COUNT: Final = 100
_MOST_TAGS: Final = 20
_LONGEST_JID: Final = 900
"""Characters of one that a form and an address can carry."""
_MOST_SEEN: Final = 10**12
_DIRECTIONS: Final = ("desc", "asc")
"""As Sidekiq has it: the newest first, or the next one to run first."""
_DEEDS: Final = {"pause": "pause", "unpause": "resume", "delete": "clear"}
"""Field of the form, as Sidekiq names it -> deed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One job."""

    key: str
    """Empty: it cannot be acted on."""
    url: str
    class_name: str
    args: str
    tags: Sequence[str]
    enqueued_at: datetime | None


def queue(request: Request) -> Response:
    """Its jobs, by cursor; with a filter those of them that are wanted."""
    view = current()
    name = request.path_params["name"]
    direction = choice(request, "direction", _DIRECTIONS)
    count = bounded_int(request, "count", 25, 1, MOST_COUNT)
    wanted = filters.from_query(request)
    found = Queue(name, view.site.redis)
    order = _order(direction)
    seen = bounded_int(request, "seen", 0, 0, _MOST_SEEN)
    cursor = bounded_text(request, "cursor") or Queue.beginning(order)
    page = found.page(cursor, count, wanted or None, order=order)
    notes = list(page.notes)
    state, memory = found.state() if page.total or not notes else None, api.memories([name], view.site.redis)[0]
    is_first = cursor == Queue.beginning(order)
    return render(
        "queue.html",
        name=name,
        state=state,
        memory=memory,
        total=page.total,
        rows=[_row(name, job, cursor) for job in page.items],
        direction=direction,
        directions=[
            (view.here(direction=None, cursor=None, seen=None), _("Newest first"), direction == "desc"),
            (view.here(direction="asc", cursor=None, seen=None), _("Next to run first"), direction == "asc"),
        ],
        cursor=cursor,
        wanted=filters.parameters(wanted),
        action=view.url("/queues", name, "delete", **request.query_params),
        first=None if is_first else view.here(cursor=None, seen=None),
        next=view.here(cursor=page.next, seen=seen + (page.looked if wanted else len(page.items)))
        if page.next
        else None,
        part=_part(page, bool(wanted), seen),
        notes=notes,
    )


def acted(request: Request) -> Response:
    """Pauses, resumes or clears it."""
    name = request.path_params["name"]
    deed = next((_DEEDS[key] for key, _value in current().form if key in _DEEDS), None)
    if deed is None:
        raise BadRequest(_("Nothing was asked for: one of %(names)s is.", names=", ".join(_DEEDS)))
    shown = printable(name, 200)
    listing = current().url("/queues")
    back = listing if field("from") == "queues" else current().url("/queues", name)
    if deed == "clear" and (asked := ask(_("Delete all jobs that wait in the queue %(name)s?", name=shown), back)):
        return asked
    count = do(request, name, deed)
    if deed == "pause":
        text = _(
            "The queue %(name)s is paused: within 5 s no process takes jobs from it. What runs goes on.", name=shown
        )
    elif deed == "resume":
        text = _("Jobs are taken from the queue %(name)s again.", name=shown)
    else:
        text = ngettext(
            "%(count)s job of the queue %(name)s was deleted.",
            "%(count)s jobs of the queue %(name)s were deleted.",
            count,
            name=shown,
        )
    return see_other(listing if deed == "clear" else back, text)


def deleted(request: Request) -> Response:
    """Deletes the jobs that are ticked, or one by its own button."""
    name = request.path_params["name"]
    keys = fields("one") or fields("key")
    direction = field("direction", "desc")
    order = _order(direction if direction in _DIRECTIONS else "desc")
    back = current().url("/queues", name, **request.query_params)
    if not keys:
        return see_other(back, _("No job was ticked: nothing was done."), "warning")
    if len(keys) > MOST_COUNT:
        raise BadRequest(_("At most %(most)s jobs at once.", most=MOST_COUNT))
    question = ngettext("Delete %(count)s job for good?", "Delete %(count)s jobs for good?", len(keys))
    if asked := ask(question, back):
        return asked
    outcome = delete_jobs(request, name, keys, field("near") or Queue.beginning(order), order)
    text = ngettext("%(count)s job was deleted.", "%(count)s jobs were deleted.", outcome.done)
    if outcome.gone:
        text += " " + ngettext(
            "%(count)s was not found any more: it runs, has run, or was deleted.",
            "%(count)s were not found any more: they run, have run, or were deleted.",
            outcome.gone,
        )
    return see_other(back, text, "warning" if outcome.gone else "ok")


def _row(name: str, job: Job, near: str) -> Row:
    if not job.raw:
        return Row("", "", _("A job that is too long to be shown, or empty"), "", (), None)
    is_short = len(job.jid) <= _LONGEST_JID
    url = current().url("/queues", name, job.jid, near=near) if job.jid and is_short and "/" not in job.jid else ""
    args = shown_args(job) if job.payload else printable(unreadable(job), 200)
    class_name = printable(job.class_name, 200) or _("No job")
    tags = [printable(tag, 60) for tag in job.tags[:_MOST_TAGS]]
    return Row(key_of(job) if is_short else "", url, class_name, args, tags, job.enqueued_at)


def _part(page: "api.Page[Job]", is_filtered: bool, seen: int) -> str:
    """How much of the queue the page is."""
    shown, count = current().locale.number, len(page.items)
    if not page.total or (not is_filtered and not count):
        return ""
    if not is_filtered:
        first, last = shown(seen + 1), shown(seen + count)
        return _("%(first)s to %(last)s of %(total)s", first=first, last=last, total=shown(page.total))
    found = ngettext("%(count)s found", "%(count)s found", count)
    if page.next is None and not seen:
        return _("%(found)s; all %(total)s were looked at", found=found, total=shown(page.total))
    return _(
        "%(found)s among the %(looked)s that follow the first %(before)s, of %(total)s",
        found=found,
        looked=shown(page.looked),
        before=shown(seen),
        total=shown(page.total),
    )


def _order(direction: str) -> str:
    return "next" if direction == "asc" else "latest"


routes: Final[list[BaseRoute]] = [
    Route("/queues/{name}", queue, methods=["GET"]),
    Route("/queues/{name}", acted, methods=["POST"]),
    Route("/queues/{name}/delete", deleted, methods=["POST"]),
]
