"""`fastkiq stats`, `queues`, `busy`, `retries`, `scheduled` and `dead`: what Redis holds, as tables or JSON."""

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from fastkiq import client
from fastkiq.cli.inspect import Inspector, Row
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.table import COLOURS, Column, Style, lines
from fastkiq.logging import colourful
from fastkiq.printable import counted, printable

F = TypeVar("F", bound=Callable[..., Any])


def _listing(command: F) -> F:
    return redis_options(
        click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)
    )


def _limited(usual: int) -> Callable[[F], F]:
    limit = click.option(
        "-n", "--limit", type=click.IntRange(1, 100_000), default=usual, show_default=True, help="Most rows."
    )
    return lambda command: _listing(limit(command))


@click.command()
@_listing
def stats(as_json: bool, **given: Any) -> None:
    """Totals, sizes and the state of Redis."""
    inspector = _inspector(given)
    found = inspector.stats()
    if as_json:
        _print_json(found)
    else:
        rows = [{"what": key.replace("_", " "), "value": value} for key, value in found.items()]
        _print_table(rows, [Column("", "what", str), Column("", "value", _plain)], "")
    _print_notes(inspector)


@click.command()
@_limited(1_000)
def queues(limit: int, as_json: bool, **given: Any) -> None:
    """Queues with their sizes and the age of their next job."""
    columns = [
        Column("Queue", "queue", _plain),
        Column("Size", "size", _plain),
        Column("Latency", "latency", _span),
        Column("", "paused", lambda paused: "paused" if paused else ""),
    ]
    inspector = _inspector(given)
    _show(inspector.queues(limit), as_json, columns, "no queues yet")
    _print_notes(inspector)


@click.command()
@_listing
def busy(as_json: bool, **given: Any) -> None:
    """Processes, and the jobs that run now (both as of the last heartbeats)."""
    inspector = _inspector(given)
    processes, work = inspector.processes(), list(inspector.work())
    if as_json:
        _print_json({"processes": processes, "work": work})
        _print_notes(inspector)
        return
    columns = [
        Column("Process", "process", _place),
        Column("Tag", "tag", _plain),
        Column("Busy", "busy", _plain),
        Column("of", "concurrency", _plain),
        Column("RSS MiB", "rss_mib", str),
        Column("", "quiet", lambda quiet: "quiet" if quiet else ""),
        Column("Queues", "queues", lambda names: printable(", ".join(names), 200), free=True),
    ]
    _print_table(processes, columns, "no processes")
    if work:
        running = [
            Column("Runs", "seconds", _span),
            *_JOB,
            Column("Process, thread", "where", str, free=True),
            Column("Arguments", "args", _args, free=True),
        ]
        click.echo()
        _print_table(
            [{**row, "where": f"{_place(row['process'])} {_plain(row['thread'])}"} for row in work], running, ""
        )
    _print_notes(inspector)
    if processes and sys.stdout.isatty():
        total = sum(process["busy"] for process in processes)
        where = counted(len(processes), "process", "processes")
        click.echo(f"\n{counted(total, 'job')} in {where} by the last heartbeats, which are up to 10 s old;")
        click.echo("`of` counts threads, and coroutines where there are async workers")


@click.command()
@_limited(25)
def retries(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that failed and wait to run again, the next first."""
    columns = [Column("Next", "at", _moment), Column("Retry", "retry_count", _plain), *_JOB, *_DETAILS]
    _show_jobs("retry", limit, as_json, columns, "no retries", given)


@click.command()
@_limited(25)
def scheduled(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that wait for their time, the next first."""
    columns = [Column("When", "at", _moment), *_JOB, _DETAILS[0]]
    _show_jobs("schedule", limit, as_json, columns, "nothing is scheduled", given)


@click.command()
@_limited(25)
def dead(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that failed for the last time, the latest first."""
    columns = [Column("Died", "at", _moment), *_JOB, *_DETAILS]
    _show_jobs("dead", limit, as_json, columns, "no dead jobs", given)


def _inspector(given: dict[str, Any]) -> Inspector:
    return Inspector(client.Client(config=configured(**given)).core)


def _show_jobs(
    key: str, limit: int, as_json: bool, columns: Sequence[Column], nothing: str, given: dict[str, Any]
) -> None:
    inspector = _inspector(given)
    _show(inspector.jobs(key, limit), as_json, columns, nothing)
    _print_notes(inspector)


def _show(rows: list[Row], as_json: bool, columns: Sequence[Column], nothing: str) -> None:
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows, columns, nothing)


def _print_notes(inspector: Inspector) -> None:
    """On stderr, so that what reads the listing is not disturbed; of a thousand only the first few."""
    for note in inspector.notes[:5]:
        click.echo(f"fastkiq: {note}", err=True)
    if (more := len(inspector.notes) - 5) > 0:
        click.echo(f"fastkiq: and {counted(more, 'thing')} more of the kind", err=True)


def _print_json(value: Any) -> None:
    # ASCII: control characters and surrogates leave as escapes.
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON knows no infinity, which is a score in Redis and what a number like 1e999 reads as: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value


def _print_table(rows: Sequence[Row], columns: Sequence[Column], nothing: str) -> None:
    if not rows:
        click.echo(nothing, err=True)
        return
    # A pipe has no width: whatever reads it gets each row in one line.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines(rows, columns, width, COLOURS if colourful(sys.stdout) else Style()):
        click.echo(line)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if type(value) is int else printable(value, 200)


def _args(args: list[Any]) -> str:
    return printable(json.dumps(args, ensure_ascii=False)[1:-1], 200)


def _place(identity: str) -> str:
    """`host:pid`; the third part tells processes apart that never meet."""
    return _plain(identity.rpartition(":")[0] or identity)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("min", 60.0), ("h", 3_600.0)):
        if seconds < (48 if unit == "h" else 120) * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:,.1f} days"


def _moment(score: float) -> str:
    """`in 12.0 s`, `3.0 h ago`."""
    away = score - time.time()
    return f"in {_span(away)}" if away > 0 else f"{_span(-away)} ago"


_JOB: Sequence[Column] = (
    Column("Class", "class", _plain),
    Column("Queue", "queue", _plain, spare=True),
    Column("Jid", "jid", _plain),
)
_DETAILS: Sequence[Column] = (
    Column("Arguments", "args", _args, free=True),
    Column("Error", "error", _plain, free=True),
)
