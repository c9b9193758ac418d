"""`fastkiq jobs`: everything about one job, wherever it is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from fastkiq.api import Found, connect, search
from fastkiq.backtrace import read
from fastkiq.cli.forms import moment, place, span
from fastkiq.cli.listing_options import json_option
from fastkiq.cli.output import print_json, progress
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import Row, entry_row, iso_of, job_row, work_row
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.printable import counted, printable

_MOST_LINES: Final = 200
_LONGEST: Final = 20_000
"""Characters of arguments and other fields; --json has all of them."""
_SHOWN: Final = {
    *("jid", "class", "wrapped", "queue", "args", "tags", "retry_count", "created_at", "enqueued_at", "failed_at"),
    *("retried_at", "error_class", "error_message", "error_backtrace"),
}
_PLACES: Final = {
    "retry": "waits to run again",
    "schedule": "waits for its time",
    "dead": "is dead: it failed for the last time",
    "queue": "waits in a queue",
    "running": "runs",
}
_EPILOG = """\b
Examples:
  fastkiq jobs 4b1cd0aa5e2f4ae1a3f5c7d9
  fastkiq jobs 4b1cd0aa5e2f4ae1a3f5c7d9 --json

Exit codes: 0 found, 1 not found, or Redis failed, 2 called wrongly, 130 interrupted.
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """One place in which the job is."""

    name: str
    row: Row
    job: Job

    def as_row(self) -> Row:
        return {"place": self.name, **self.row}


@click.command(epilog=_EPILOG)
@click.argument("jid")
@json_option
@redis_options
def jobs(jid: str, as_json: bool, **given: Any) -> int:
    """Everything about the job JID: where it is, its arguments, attempts, and last error.

    It looks among the jobs that run, the retries, the scheduled and the dead ones, and in all queues. A job that has
    ended well has left nothing to be found.
    """
    redis = connect(configured(**given))
    places: list[_Place] = []
    looked, cursor = 0, None
    with progress() as tell:
        while True:
            try:
                part = search(jid, redis, cursor, seconds=0.5)
            except ArgumentError as error:
                raise click.UsageError(str(error)) from None
            places += _places(part)
            looked, cursor = looked + part.looked, part.cursor
            tell(f"{counted(looked, 'job')} looked at")
            if cursor is None:
                break
    if as_json:
        print_json({"jid": jid, "found": [each.as_row() for each in places]})
    elif not places:
        raise click.ClickException(f"no job {jid[:200]} in any queue or set: it has ended, or never was")
    for at, each in enumerate([] if as_json else places):
        if at:
            click.echo()
        for line in _lines(each):
            click.echo(line)
    return 0 if places else 1


def _places(found: Found) -> Iterator[_Place]:
    for work in found.running:
        yield _Place("running", work_row(work), work.job)
    for entry in found.entries:
        yield _Place(entry.set.key, entry_row(entry), entry.job)
    for job in found.waiting:
        yield _Place("queue", job_row(job), job)


def _lines(found: _Place) -> Iterator[str]:
    """What is said of it, line by line."""
    row, job = found.row, found.job
    yield f"{printable(job.class_name or '(no class)', 300)} {printable(job.jid, 300)}"
    yield from _field("state", _PLACES[found.name])
    if found.name == "running":
        yield from _field(
            "process", f"{place(row['process'])} {printable(row['thread'], 80)}, for {span(row['seconds'])}"
        )
    yield from _field("queue", row["queue"])
    yield from _field("tags", ", ".join(job.tags))
    yield from _field("arguments", _json(job.args))
    yield from _field("attempt", _attempt(found))
    yield from _timeline(found)
    yield from _field("error", row["error"] or "")
    stored = read(job.payload.get("error_backtrace"))
    if stored.lines:
        yield "  backtrace"
        for line in stored.lines[:_MOST_LINES]:
            yield f"    {printable(line, 1_000)}"
        if (more := len(stored.lines) - _MOST_LINES) > 0:
            yield f"    and {counted(more, 'line')} more; --json has all"
    if stored.flaw:
        yield from _field("backtrace", stored.flaw)
    others = {key: value for key, value in job.payload.items() if key not in _SHOWN}
    if others:
        yield "  other fields"
        for key, value in others.items():
            yield f"    {printable(key, 200)}: {printable(_json(value), 2_000)}"
    yield from _field("size", counted(row["bytes"], "byte"))
    if found.name not in ("running", "queue"):
        yield from _field("id", row["id"])


def _attempt(found: _Place) -> str:
    """Which run this is, or comes next."""
    if found.name == "dead":
        return f"{found.job.attempt - 1:,} failed" if found.job.attempt > 1 else ""
    return f"{found.job.attempt:,}{'' if found.name == 'running' else ' comes next'}"


def _timeline(found: _Place) -> Iterator[str]:
    """What happened when, in its order."""
    job = found.job
    again = job.retried_at is not None
    events = [
        (job.created_at, "created"),
        (job.enqueued_at, "last enqueued" if job.retry_count is not None else "enqueued"),
        (job.failed_at, "failed first" if again else "failed"),
        (job.retried_at, "failed last"),
        (job.at, {"retry": "next try", "schedule": "due", "dead": "died"}.get(found.name, "")),
    ]
    known = [(when.timestamp(), what) for when, what in events if when is not None and what]
    if found.name == "running" and found.row["run_at"] is not None:
        known.append((found.row["run_at"], "began to run"))
    if known:
        yield "  timeline"
    for epoch, what in sorted(known):
        yield f"    {iso_of(epoch)}  {what:<13}  {moment(epoch)}"


def _field(name: str, value: object) -> Iterator[str]:
    """`name  value`, unless there is none; lines of a text stay lines, behind the margin."""
    text = f"{value}"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text):,} characters; --json has all)"
    if text:
        first, *rest = text.splitlines()
        yield f"  {name:<9}  {printable(first, _LONGEST + 100)}"
        for line in rest:
            yield f"  {'':<9}  {printable(line, _LONGEST + 100)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
