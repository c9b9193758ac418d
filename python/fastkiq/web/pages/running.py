"""The page of a job that runs, by the last heartbeat of its process."""

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Work, WorkSet
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_page import download, gone, run_again, show
from fastkiq.web.places import in_process
from fastkiq.web.view import current

_PATIENCE: Final = 2.0
"""Seconds of looking: ten thousand running jobs take some 0.2 s."""


def running(request: Request) -> Response:
    """The page."""
    work = _found(request)
    return _gone(request) if work is None else show(request, work.job, in_process(work), len(work.job.raw))


def raw(request: Request) -> Response:
    """The payload as a file."""
    work = _found(request)
    return _gone(request) if work is None else download(work.job)


def again(request: Request) -> Response:
    """Run again: beside the one that runs."""
    work = _found(request)
    return _gone(request) if work is None else run_again(request, work.job, in_process(work), len(work.job.raw))


def _found(request: Request) -> Work | None:
    jid, jobs = request.path_params["jid"], WorkSet(current().site.redis)
    deadline = time.monotonic() + _PATIENCE
    cursor: str | None = None
    while True:
        page = jobs.page(cursor, 1_000)
        for work in page.items:
            if work.job.jid == jid:
                return work
        cursor = page.next
        if cursor is None or time.monotonic() > deadline:
            return None


def _gone(request: Request) -> Response:
    text = _("This job is not among those that run, by the last heartbeats: it has just begun, or it has ended.")
    return gone(text, request.path_params["jid"])


routes: Final[list[BaseRoute]] = [
    Route("/busy/jobs/{jid}", running, methods=["GET"]),
    Route("/busy/jobs/{jid}/raw", raw, methods=["GET"]),
    Route("/busy/jobs/{jid}/again", running, methods=["GET"]),
    Route("/busy/jobs/{jid}/again", again, methods=["POST"]),
]
