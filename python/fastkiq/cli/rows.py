"""What Redis holds, as plain dictionaries: the rows of the tables, and the JSON that docs/command-line.md describes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastkiq.api import Entry, Group, Process, QueueState, Work, error_text
from fastkiq.job import Job

Row = dict[str, Any]

_TIMES: Final = ("created_at", "enqueued_at", "failed_at", "retried_at")


def job_row(job: Job) -> Row:
    """One job: the parts that people look for, and under `payload` all that is stored, decoded."""
    return {
        "jid": job.jid,
        "class": job.class_name,
        "queue": job.queue,
        "args": job.args,
        "tags": job.tags,
        "retry_count": job.retry_count,
        "error": error_text(job) or None,
        "error_class": job.error_class,
        "error_message": job.error_message,
        "backtrace": job.error_backtrace,
        "times": {name: time_row(getattr(job, name)) for name in _TIMES},
        "bytes": len(job.raw),
        "payload": job.payload or None,
        "raw": None if job.payload else job.raw.decode("utf-8", "replace"),
    }


def entry_row(entry: Entry) -> Row:
    """One entry of a sorted set: the job, its score as `at` and `score`, and the `id` that the actions take."""
    row = job_row(entry.job)
    row |= {"id": entry.id, "at": entry.score, "score": entry.score, "bytes": entry.length}
    row["times"]["at"] = time_row(entry.at)
    if not entry.is_whole:
        row |= {"raw": None, "error": f"its {entry.length:,} bytes are too many to be shown"}
    return row


def work_row(work: Work) -> Row:
    """One running job, and where it runs."""
    return {
        "process": work.process,
        "thread": work.thread,
        "seconds": work.elapsed,
        "run_at": work.run_at,
        **job_row(work.job),
        "queue": work.queue,
    }


def process_row(process: Process) -> Row:
    """One process."""
    return {
        "process": process.identity,
        "hostname": process.hostname,
        "pid": process.pid,
        "tag": process.tag,
        "labels": process.labels,
        "version": process.version,
        "busy": process.busy,
        "concurrency": process.concurrency,
        "queues": process.queues,
        "capsules": process.capsules,
        "rss_mib": round(process.rss / 1_048_576, 1),
        "rtt_ms": round(process.rtt * 1_000, 3),
        "quiet": process.is_quiet,
        "embedded": process.is_embedded,
        "beat": process.beat,
        "started_at": process.started_at,
    }


def queue_row(queue: QueueState) -> Row:
    """One queue."""
    return {"queue": queue.name, "size": queue.size, "latency": queue.latency, "paused": queue.is_paused}


def group_row(group: Group) -> Row:
    """Errors of one kind; `group` is what the filter --group takes."""
    return {
        "group": group.signature,
        "count": group.count,
        "error_class": group.error_class,
        "message": group.message,
        "earliest": group.earliest,
        "latest": group.latest,
        "classes": dict(sorted(group.classes.items(), key=lambda pair: -pair[1])),
    }


def time_row(moment: datetime | None) -> Mapping[str, Any] | None:
    """A moment in JSON."""
    return None if moment is None else {"iso": iso(moment), "epoch": moment.timestamp()}


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_of(epoch: float) -> str:
    """As `iso`; the number when it is no time."""
    try:
        return iso(datetime.fromtimestamp(epoch, UTC))
    except (ValueError, OverflowError, OSError):
        return f"{epoch!r}"
