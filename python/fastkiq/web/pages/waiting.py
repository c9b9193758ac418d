"""The page of a job that waits in a queue. A queue has no index: it is looked for, for a bounded time."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Filter, Queue
from fastkiq.job import Job
from fastkiq.web.audit import audit
from fastkiq.web.confirmation import ask
from fastkiq.web.flash import see_other
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_page import download, gone, run_again, show
from fastkiq.web.places import in_queue
from fastkiq.web.query import bounded_int, bounded_text, field
from fastkiq.web.rendering import render
from fastkiq.web.rows import cut
from fastkiq.web.view import current
from fastkiq.web.words import question

_LOOK: Final = 1_000_000
_SECONDS: Final = 0.04
_PATIENCE: Final = 5.0
"""Seconds of looking before something is done to a job: a million jobs take about one."""
_NEAR: Final = 1_000
"""Jobs looked at from where the listing said it was."""


def waiting(request: Request) -> Response:
    """`near`, a cursor of the queue's listing, says where it was seen; `at`, where the look goes on."""
    name, jid = request.path_params["name"], request.path_params["jid"]
    queue, wanted = Queue(name, current().site.redis), Filter(jid=jid)
    near, at = bounded_text(request, "near"), bounded_text(request, "at") or None
    if near and at is None:
        page = queue.page(near, 1, wanted, order=_order(near), look=_NEAR, seconds=_SECONDS)
        if page.items:
            return _shown(request, page.items[0], near)
    page = queue.page(at, 1, wanted, order=_order(at), look=_LOOK, seconds=_SECONDS)
    if page.items:
        return _shown(request, page.items[0], near)
    if page.next is None:
        return gone(_("This job does not wait in this queue any more: it runs, has run, or was deleted."), jid)
    looked = bounded_int(request, "looked", 0, 0, 10**12) + page.looked
    following = current().here(at=page.next, looked=looked, near=None)
    return render(
        "looking.html",
        title=_("Job %(jid)s", jid=cut(jid, 100)),
        queue=cut(name, 200),
        looked=looked,
        total=page.total,
        next=following,
    )


def raw(request: Request) -> Response:
    """The payload as a file."""
    job = _found(request)
    return _gone(request) if job is None else download(job)


def acted(request: Request) -> Response:
    """Deletes it."""
    job = _found(request)
    if job is None:
        return _gone(request)
    place = in_queue(job)
    if asked := ask(question("delete", 1), place.url):
        return asked
    if not Queue(job.queue, current().site.redis).delete(job):
        return _gone(request)
    audit(request, "delete", queue=job.queue, jid=job.jid, job_class=job.class_name, count=1)
    return see_other(place.list_url, _("1 job was deleted."))


def again(request: Request) -> Response:
    """Run again."""
    job = _found(request)
    return _gone(request) if job is None else run_again(request, job, in_queue(job, _near(request)), len(job.raw))


def _shown(request: Request, job: Job, near: str) -> Response:
    return show(request, job, in_queue(job, near), len(job.raw))


def _near(request: Request) -> str:
    return field("near") or bounded_text(request, "near")


def _found(request: Request) -> Job | None:
    """By the cursor near which it was seen, if the form has it, else by a look of some seconds."""
    queue = Queue(request.path_params["name"], current().site.redis)
    wanted = Filter(jid=request.path_params["jid"])
    if near := _near(request):
        page = queue.page(near, 1, wanted, order=_order(near), look=_NEAR, seconds=_SECONDS)
        if page.items:
            return page.items[0]
    page = queue.page(None, 1, wanted, look=100_000_000, seconds=_PATIENCE)
    return page.items[0] if page.items else None


def _gone(request: Request) -> Response:
    text = _(
        "This job was not found in its queue: it runs, has run, was deleted, or the queue is too long to be searched."
    )
    return gone(text, request.path_params["jid"])


def _order(cursor: str | None) -> str:
    return "next" if cursor is not None and cursor.startswith("tail") else "latest"


routes: Final[list[BaseRoute]] = [
    Route("/queues/{name}/{jid}", waiting, methods=["GET"]),
    Route("/queues/{name}/{jid}", acted, methods=["POST"]),
    Route("/queues/{name}/{jid}/raw", raw, methods=["GET"]),
    Route("/queues/{name}/{jid}/again", waiting, methods=["GET"]),
    Route("/queues/{name}/{jid}/again", again, methods=["POST"]),
]
