"""The JSON API, where it reads; docs/web-api.md is its reference."""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.web import filters
from fastkiq.web.cursors import inward, outward, outward_of_search
from fastkiq.web.documents import (
    entry_document,
    page_document,
    process_document,
    queue_document,
    series_document,
    waiting_document,
    whole_document,
    work_document,
)
from fastkiq.web.errors import NotFound
from fastkiq.web.formats import iso
from fastkiq.web.job_sets import DEAD, RETRIES, SCHEDULED, SetPages, find
from fastkiq.web.json_body import answered
from fastkiq.web.query import bounded_int, bounded_text, choice
from fastkiq.web.summary import read_figures
from fastkiq.web.view import current

SETS: Final[dict[str, SetPages]] = {"retries": RETRIES, "scheduled": SCHEDULED, "dead": DEAD}
MOST: Final = 100
"""Jobs of one answer."""
MOST_CURSOR: Final = 3_000
_MOST_CLASSES: Final = 1_000


def summary(request: Request) -> Response:
    """The figures that head each page, and Redis."""
    found, server = read_figures(current().site.redis)
    names = ("processed", "failed", "busy", "processes", "enqueued", "retries", "scheduled", "dead")
    facts = ("name", "version", "uptime", "clients", "memory", "peak_memory", "most_memory")
    return answered(
        {
            **{name: getattr(found, name) for name in names},
            "redis": {name: getattr(server, name) for name in facts},
            "notes": list(found.notes),
        }
    )


def history(request: Request) -> Response:
    """The counts of days in UTC, the latest first."""
    days = api.Stats(current().site.redis).history(bounded_int(request, "days", 30, 1, 1_825))
    return answered(
        {"days": [{"date": f"{day.date}", "processed": day.processed, "failed": day.failed} for day in days]}
    )


def queues(request: Request) -> Response:
    """The first thousand."""
    notes: list[str] = []
    states = api.queues(current().site.redis, notes=notes)
    return answered({"queues": [queue_document(state) for state in states], "notes": notes})


def queue(request: Request) -> Response:
    """One, with its memory in bytes."""
    found = api.Queue(request.path_params["name"], current().site.redis)
    return answered({**queue_document(found.state()), "memory": api.memories([found.name], found.redis)[0]})


def queue_jobs(request: Request) -> Response:
    """Jobs that wait in it."""
    found = api.Queue(request.path_params["name"], current().site.redis)
    order = "next" if choice(request, "direction", ("desc", "asc")) == "asc" else "latest"
    wanted, cursor = filters.from_query(request), bounded_text(request, "cursor") or None
    page = found.page(cursor, bounded_int(request, "limit", 25, 1, MOST), wanted or None, order=order)
    return answered(page_document(page, "jobs", [waiting_document(job) for job in page.items]))


def entries(request: Request, pages: SetPages) -> Response:
    """Jobs of one of the sets."""
    wanted, cursor = filters.from_query(request), inward(bounded_text(request, "cursor", most=MOST_CURSOR))
    jobs = pages.jobs
    page = jobs.page(cursor, bounded_int(request, "limit", 25, 1, MOST), wanted or None)
    document = page_document(page, "jobs", [entry_document(entry) for entry in page.items])
    return answered({**document, "next": outward(jobs, page.next)})


def entry(request: Request, pages: SetPages) -> Response:
    """One of them, with its payload and backtrace."""
    found = find(pages, request.path_params["key"])
    if found is None:
        raise NotFound
    return answered(entry_document(found, whole_document(found.job)))


def job(request: Request) -> Response:
    """Wherever it is; looked for part by part."""
    cursor = inward(bounded_text(request, "cursor", most=MOST_CURSOR))
    found = api.search(request.path_params["jid"], current().site.redis, cursor)
    names = {pages.kind.key: name for name, pages in SETS.items()}
    return answered(
        {
            "running": [work_document(work) for work in found.running],
            "sets": [
                {"set": names[each.set.key], **entry_document(each, whole_document(each.job))} for each in found.entries
            ],
            "waiting": [{**waiting_document(each), **whole_document(each)} for each in found.waiting],
            "looked": found.looked,
            "next": outward_of_search(found.cursor),
        }
    )


def processes(request: Request) -> Response:
    """Those that live."""
    cursor, limit = bounded_text(request, "cursor") or None, bounded_int(request, "limit", MOST, 1, MOST)
    page = api.ProcessSet(current().site.redis).page(cursor, limit)
    return answered(page_document(page, "processes", [process_document(process) for process in page.items]))


def work(request: Request) -> Response:
    """Jobs that run, whole processes at a time."""
    cursor, limit = bounded_text(request, "cursor") or None, bounded_int(request, "limit", MOST, 1, MOST)
    page = api.WorkSet(current().site.redis).page(cursor, limit)
    return answered(page_document(page, "work", [work_document(each) for each in page.items]))


def metrics(request: Request) -> Response:
    """Runs by class."""
    found = _query().top(bounded_text(request, "period", "1h"), bounded_text(request, "substr", most=200))
    return answered(
        {
            **_period(found),
            "step": int(found.step.total_seconds()),
            "classes": [series_document(series) for series in found.classes[:_MOST_CLASSES]],
            "total": len(found.classes),
            "notes": found.notes,
        }
    )


def class_metrics(request: Request) -> Response:
    """One class, minute by minute."""
    found = _query().of(request.path_params["name"], bounded_text(request, "period", "1h"))
    return answered(
        {
            **_period(found),
            **series_document(found.series),
            "by_time": [
                {"at": iso(at), "processed": processed, "failed": failed, "milliseconds": milliseconds}
                for at, (processed, failed, milliseconds) in sorted(found.series.by_time.items())
            ],
            "histogram": found.histogram,
        }
    )


def _of(pages: SetPages, read: Callable[[Request, SetPages], Response]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return read(request, pages)

    return answer


def _query() -> api.MetricsQuery:
    site = current().site
    return api.MetricsQuery(site.redis, config=site.config, memory=site.metrics)


def _period(found: api.Metrics | api.ClassMetrics) -> dict[str, Any]:
    marks = [{"at": iso(at), "label": label} for at, label in found.marks.items()]
    return {"start": iso(found.start), "end": iso(found.end), "marks": marks}


routes: Final[list[BaseRoute]] = [
    Route("/api/summary", summary, methods=["GET"]),
    Route("/api/history", history, methods=["GET"]),
    Route("/api/queues", queues, methods=["GET"]),
    Route("/api/queues/{name}", queue, methods=["GET"]),
    Route("/api/queues/{name}/jobs", queue_jobs, methods=["GET"]),
    Route("/api/jobs/{jid}", job, methods=["GET"]),
    Route("/api/processes", processes, methods=["GET"]),
    Route("/api/work", work, methods=["GET"]),
    Route("/api/metrics", metrics, methods=["GET"]),
    Route("/api/metrics/{name}", class_metrics, methods=["GET"]),
    *(Route(f"/api/{name}", _of(pages, entries), methods=["GET"]) for name, pages in SETS.items()),
    *(Route(f"/api/{name}/{{key}}", _of(pages, entry), methods=["GET"]) for name, pages in SETS.items()),
]
