"""One process, and what each of its jobs is doing."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Process, ProcessSet, WorkSet, stacks
from fastkiq.web.errors import NotFound
from fastkiq.web.i18n import gettext as _
from fastkiq.web.pages.busy import MOST
from fastkiq.web.process_rows import BEAT, JobRow, job_rows, job_words, process_rows, process_words
from fastkiq.web.rendering import TEMPLATES, render
from fastkiq.web.stack import lines
from fastkiq.web.view import current

PART: Final = "x-fastkiq-part"
"""Header of the requests that want nothing but the stack of the page."""
_MOST_QUEUES: Final = 1_000


def process(request: Request) -> Response:
    """Its facts, its jobs, and all of its threads once it has told of them."""
    found = _found(request)
    notes: list[str] = []
    jobs = WorkSet(current().site.redis).of([found], notes)
    told = stacks(current().site.redis, found.identity, "threads")
    if len(jobs) > MOST:
        number = current().locale.number
        notes.append(_("%(some)s of %(all)s running jobs are shown.", some=number(MOST), all=number(len(jobs))))
    return render(
        "process.html",
        row=process_rows([found], _MOST_QUEUES)[0],
        jobs=job_rows(jobs[:MOST]),
        told=told,
        lines=lines(told.threads.split("\n")) if told else [],
        process_words=process_words(),
        job_words=job_words(),
        beat=BEAT,
        notes=notes,
    )


def thread(request: Request) -> Response:
    """One running job and its stack."""
    found = _found(request)
    row = _job(found, request.path_params["thread"])
    told = stacks(current().site.redis, found.identity, row.work.thread)
    stack = told.of_jobs.get(row.work.thread) if told else None
    values: dict[str, Any] = {"row": row, "told": told, "lines": None if stack is None else lines(stack)}
    if PART in request.headers:
        return HTMLResponse(TEMPLATES.get_template("stack.html").render(**values))
    return render("thread.html", process=process_rows([found])[0], **values)


def _found(request: Request) -> Process:
    found = ProcessSet(current().site.redis).get(request.path_params["identity"])
    if found is None:
        raise NotFound(_("There is no such process: it has ended, or has not been heard of for a minute."))
    return found


def _job(found: Process, thread: str) -> JobRow:
    jobs = WorkSet(current().site.redis).of([found])
    work = next((each for each in jobs if each.thread == thread), None)
    if work is None:
        raise NotFound(_("No job runs in this thread, by the last heartbeat of its process: it has ended."))
    return job_rows([work])[0]


routes: Final[list[BaseRoute]] = [
    Route("/busy/{identity}", process, methods=["GET"]),
    Route("/busy/{identity}/{thread}", thread, methods=["GET"]),
]
