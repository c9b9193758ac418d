"""The JSON API of recurring jobs; docs/web-api.md is its reference."""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import RecurringJob, RecurringSet, Run
from fastkiq.api.recurring_job import facts
from fastkiq.web.arguments import visible_args
from fastkiq.web.cron_deeds import DEEDS, do, find
from fastkiq.web.cron_rows import job_of
from fastkiq.web.formats import iso
from fastkiq.web.json_body import answered, given
from fastkiq.web.query import bounded_int
from fastkiq.web.view import current

_MOST: Final = 1_000


def listing(request: Request) -> Response:
    """The first thousand, by name."""
    notes: list[str] = []
    recurring = RecurringSet(current().site.redis)
    names = recurring.names(notes)
    found = [_document(each) for each in recurring.some(names[:_MOST])]
    return answered({"recurring": found, "total": len(names), "notes": notes})


def one(request: Request) -> Response:
    """One, with its next ticks and its history."""
    recurring, found = find(request)
    upcoming = recurring.upcoming(found.name, bounded_int(request, "count", 10, 1, 100))
    history = [_run_document(run) for run in recurring.history(found.name)]
    return answered({**_document(found), "upcoming": [iso(tick) for tick in upcoming], "history": history})


def _acting(deed: str) -> Callable[[Request], Response]:
    def act(request: Request) -> Response:
        given(request)
        recurring, found = find(request)
        jid = do(request, recurring, found.name, deed)
        return answered({"done": 1, **({} if jid is None else {"jid": jid})})

    return act


def _document(entry: RecurringJob) -> dict[str, Any]:
    job = job_of(entry)
    return {
        **facts(entry),
        "args": visible_args(job) if job else None,
        "at": iso(entry.at) if entry.at else None,
        "next": iso(entry.next) if entry.next else None,
        "last": _run_document(entry.last) if entry.last else None,
    }


def _run_document(run: Run) -> dict[str, Any]:
    return {"tick": iso(run.tick), "at": iso(run.at), "jid": run.jid, "how": run.how}


routes: Final[list[BaseRoute]] = [
    Route("/api/cron", listing, methods=["GET"]),
    Route("/api/cron/{name}", one, methods=["GET"]),
    *(Route(f"/api/cron/{{name}}/{deed}", _acting(deed), methods=["POST"]) for deed in DEEDS),
]
