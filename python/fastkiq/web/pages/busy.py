"""What runs now: processes, and the jobs in them."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Page, Process, ProcessSet, Work, WorkSet
from fastkiq.web.i18n import gettext as _
from fastkiq.web.process_rows import BEAT, job_rows, job_words, process_rows, process_words
from fastkiq.web.query import bounded_int, bounded_text, choice
from fastkiq.web.rendering import render
from fastkiq.web.view import current

ONLY: Final = ("all", "processes", "jobs")
MOST: Final = 500
"""Rows of one list."""


def busy(request: Request) -> Response:
    """Processes and running jobs, each list by a cursor of its own."""
    only = choice(request, "only", ONLY)
    count = bounded_int(request, "count", 100, 1, MOST)
    cursors = bounded_text(request, "processes"), bounded_text(request, "jobs")
    redis = current().site.redis
    living, running, threads, memory = ProcessSet(redis).totals()
    processes: Page[Process] = ProcessSet(redis).page(cursors[0] or None, count) if only != "jobs" else Page([], 0)
    jobs: Page[Work] = WorkSet(redis).page(cursors[1] or None, count) if only != "processes" else Page([], 0)
    return render(
        "busy.html",
        views=_views(only),
        only=only,
        living=living,
        running=running,
        threads=threads,
        memory=memory,
        processes=process_rows(processes.items),
        further_processes=processes.next,
        jobs=job_rows(jobs.items[:MOST]),
        further_jobs=jobs.next,
        cursors=cursors,
        process_words=process_words(),
        job_words=job_words(),
        beat=BEAT,
        notes=[*processes.notes, *jobs.notes, *_cut(len(jobs.items))],
    )


def _views(only: str) -> list[tuple[str, str, bool]]:
    view = current()
    labels = {"all": _("All"), "processes": _("Processes"), "jobs": _("Jobs")}
    links = {each: view.here(only=None if each == "all" else each, processes=None, jobs=None) for each in ONLY}
    return [(links[each], labels[each], each == only) for each in ONLY]


def _cut(there: int) -> list[str]:
    """Whole processes come at a time, and one may run any number of jobs."""
    number = current().locale.number
    if there <= MOST:
        return []
    return [_("%(some)s of %(all)s running jobs are shown.", some=number(MOST), all=number(there))]


routes: Final[list[BaseRoute]] = [Route("/busy", busy, methods=["GET"])]
