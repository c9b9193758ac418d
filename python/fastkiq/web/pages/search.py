"""Where a job is, by its ID: looked for in all places, part by part."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.job import Job
from fastkiq.web.arguments import shown_args
from fastkiq.web.cursors import inward, outward_of_search
from fastkiq.web.errors import BadRequest
from fastkiq.web.formats import moment
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import key_of, of
from fastkiq.web.query import bounded_int, bounded_text
from fastkiq.web.rendering import render
from fastkiq.web.rows import cut
from fastkiq.web.view import current

LONGEST: Final = 200
_SECONDS: Final = 0.04
_MOST: Final = 10**12
_MOST_CURSOR: Final = 3_000


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where it is."""

    key: str
    place: str
    url: str
    at: datetime | None
    queue: str
    class_name: str
    args: str


def search(request: Request) -> Response:
    """What one part of the search has found. `looked` and `found`: in the parts before."""
    jid = bounded_text(request, "q", most=LONGEST)
    if not jid:
        raise BadRequest(_("Type the ID of a job into the field at the top: the whole of it, as a worker logs it."))
    cursor = inward(bounded_text(request, "cursor", most=_MOST_CURSOR))
    part = api.search(jid, current().site.redis, cursor, seconds=_SECONDS)
    hits = [
        *(_running(work) for work in part.running),
        *(_entry(entry) for entry in part.entries),
        *(_waiting(job) for job in part.waiting),
    ]
    before = bounded_int(request, "found", 0, 0, _MOST)
    looked = bounded_int(request, "looked", 0, 0, _MOST) + part.looked
    following = None
    if part.cursor is not None:
        following = current().here(cursor=outward_of_search(part.cursor), looked=looked, found=before + len(hits))
    return render("search.html", jid=jid, hits=hits, before=before, looked=looked, next=following)


def _running(work: api.Work) -> Hit:
    url = current().url("/busy/jobs", work.job.jid)
    return _hit(work.job, f"work {work.process} {work.thread}", _("Runs"), url, moment(work.run_at))


def _entry(entry: api.Entry) -> Hit:
    pages, key = of(entry.set), key_of(entry)
    return _hit(entry.job, f"{pages.path} {key}", pages.title, current().url(pages.path, key), entry.at)


def _waiting(job: Job) -> Hit:
    url = current().url("/queues", job.queue, job.jid)
    place = _("Queue %(name)s", name=cut(job.queue, 100))
    return _hit(job, f"queue {job.queue}", place, url, job.enqueued_at)


def _hit(job: Job, key: str, place: str, url: str, at: datetime | None) -> Hit:
    name = cut(job.class_name, 200) or _("No job")
    return Hit(key, place, url, at, cut(job.queue, 200), name, shown_args(job, 300))


routes: Final[list[BaseRoute]] = [Route("/search", search, methods=["GET"])]
