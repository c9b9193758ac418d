"""What the JSON API says about jobs, queues and processes. Arguments are those that pages show."""

import json
import math
from datetime import datetime
from typing import Any, Final

from fastkiq.api import Entry, Outcome, Page, Process, QueueState, Series, Work
from fastkiq.job import Job
from fastkiq.web.arguments import args_text, stored_payload
from fastkiq.web.formats import iso, moment
from fastkiq.web.job_sets import key_of
from fastkiq.web.waiting_jobs import key_of as key_of_waiting

_MOST_ARGS: Final = 65_536
_MOST_ERROR: Final = 2_000
_MOST_LINES: Final = 200


def job_document(job: Job) -> dict[str, Any]:
    """What there is to say in a listing. Long arguments are left out, and long messages cut."""
    args = args_text(job) if len(job.raw) <= _MOST_ARGS else None
    document: dict[str, Any] = {
        "jid": job.jid,
        "class": job.class_name,
        "queue": job.queue,
        "args": None if args is None else _decoded(f"[{args}]"),
        "tags": job.tags[:100],
        "retry_count": job.retry_count,
        "created_at": _time(job.created_at),
        "enqueued_at": _time(job.enqueued_at),
        "bytes": len(job.raw),
    }
    if job.error_class is not None or job.error_message is not None:
        document["error"] = {
            "class": (job.error_class or "")[:_MOST_ERROR],
            "message": (job.error_message or "")[:_MOST_ERROR],
            "failed_at": _time(job.failed_at),
            "retried_at": _time(job.retried_at),
        }
    return document


def whole_document(job: Job) -> dict[str, Any]:
    """With its payload and backtrace."""
    backtrace = job.error_backtrace[:_MOST_LINES]
    payload = _decoded(stored_payload(job).decode("utf-8", "replace")) if job.payload else None
    return {**job_document(job), "backtrace": backtrace, "payload": payload}


def entry_document(entry: Entry, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """`key` is what actions take; `at` is when it runs next, falls due or died."""
    facts = {"key": key_of(entry), "at": _time(entry.at), "bytes": entry.length}
    return facts | ((document or job_document(entry.job)) if entry.is_whole else {}) | {"bytes": entry.length}


def waiting_document(job: Job) -> dict[str, Any]:
    """`key` is what actions take; one without is too long to be read."""
    return {"key": key_of_waiting(job), **job_document(job)} if job.raw else {"key": None}


def queue_document(state: QueueState) -> dict[str, Any]:
    """`latency`: seconds; null when its next job is too long to be read."""
    return {"name": state.name, "size": state.size, "latency": state.latency, "paused": state.is_paused}


def process_document(process: Process) -> dict[str, Any]:
    """As of its last heartbeat, `beat`."""
    return {
        "identity": process.identity,
        "hostname": process.hostname,
        "pid": process.pid,
        "tag": process.tag,
        "labels": process.labels[:100],
        "version": process.version,
        "queues": process.queues[:1_000],
        "concurrency": process.concurrency,
        "busy": process.busy,
        "rss": process.rss,
        "rtt": process.rtt,
        "beat": _time(moment(process.beat)),
        "started_at": _time(moment(process.started_at)),
        "quiet": process.is_quiet,
        "embedded": process.is_embedded,
    }


def work_document(work: Work) -> dict[str, Any]:
    """One running job, as of the last heartbeat of its process."""
    return {
        "process": work.process,
        "thread": work.thread,
        "run_at": _time(moment(work.run_at)),
        "job": {**job_document(work.job), "queue": work.queue},
    }


def series_document(series: Series) -> dict[str, Any]:
    """`average`: seconds of a run that went well."""
    return {
        "class": series.class_name,
        "processed": series.processed,
        "failed": series.failed,
        "milliseconds": series.milliseconds,
        "average": series.average,
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """What became of the jobs to which something was to be done."""
    return {
        "done": outcome.done,
        "gone": outcome.gone,
        "refused": outcome.refused,
        "reasons": list(outcome.reasons),
    }


def page_document(page: "Page[Any]", name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A part of a listing; `next` is the cursor of the next one."""
    return {name: items, "total": page.total, "looked": page.looked, "next": page.next, "notes": list(page.notes)}


def _decoded(text: str) -> Any:
    """JSON again; 1e999, which is read as Infinity, and that, as a text."""
    try:
        return json.loads(text, parse_constant=str, parse_float=_finite)
    except ValueError:
        return None


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _time(when: datetime | None) -> str | None:
    return None if when is None else iso(when)
