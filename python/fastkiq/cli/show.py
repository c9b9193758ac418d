"""`fastkiq stats`, `queues`, `busy`, `retries`, `scheduled` and `dead`: what Redis holds, as tables or JSON."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastkiq import client
from fastkiq.cli.inspect import Inspector, Row
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.printable import printable

F = TypeVar("F", bound=Callable[..., Any])
Column = tuple[str, str, Callable[[Any], str]]  # heading, key, form


def _listing(command: F) -> F:
    return redis_options(
        click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)
    )


def _limited(command: F) -> F:
    limit = click.option(
        "-n", "--limit", type=click.IntRange(1, 100_000), default=25, show_default=True, help="Most rows."
    )
    return _listing(limit(command))


@click.command()
@_listing
def stats(as_json: bool, **given: Any) -> None:
    """Totals, sizes and the state of Redis."""
    found = _inspector(given).stats()
    if as_json:
        _print_json(found)
        return
    rows = [{"what": key.replace("_", " "), "value": value} for key, value in found.items()]
    _print_table(rows, [("", "what", str), ("", "value", _plain)], "")


@click.command()
@_listing
def queues(as_json: bool, **given: Any) -> None:
    """Queues with their sizes and the age of their next job."""
    columns: list[Column] = [
        ("Queue", "queue", _plain),
        ("Size", "size", _plain),
        ("Latency", "latency", _span),
        ("", "paused", lambda paused: "paused" if paused else ""),
    ]
    _show(_inspector(given).queues(), as_json, columns, "no queues yet")


@click.command()
@_listing
def busy(as_json: bool, **given: Any) -> None:
    """Processes, and the jobs that run now (both as of the last heartbeats)."""
    inspector = _inspector(given)
    processes, work = inspector.processes(), list(inspector.work())
    if as_json:
        _print_json({"processes": processes, "work": work})
        return
    columns: list[Column] = [
        ("Process", "process", _plain),
        ("Tag", "tag", _plain),
        ("Busy", "busy", _plain),
        ("of", "concurrency", _plain),
        ("Queues", "queues", lambda names: printable(", ".join(names), 60)),
        ("RSS MiB", "rss_mib", str),
        ("", "quiet", lambda quiet: "quiet" if quiet else ""),
    ]
    _print_table(processes, columns, "no processes")
    if work:
        running: list[Column] = [("Thread", "thread", _plain), *_JOB, ("Runs", "seconds", _span)]
        _print_table(work, running, "")


@click.command()
@_limited
def retries(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that failed and wait to run again, the next first."""
    columns: list[Column] = [
        ("Next", "at", _moment),
        ("Retry", "retry_count", _plain),
        *_JOB,
        ("Error", "error", _plain),
    ]
    _show(_inspector(given).jobs("retry", limit), as_json, columns, "no retries")


@click.command()
@_limited
def scheduled(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that wait for their time, the next first."""
    _show(_inspector(given).jobs("schedule", limit), as_json, [("When", "at", _moment), *_JOB], "nothing is scheduled")


@click.command()
@_limited
def dead(limit: int, as_json: bool, **given: Any) -> None:
    """Jobs that failed for the last time, the latest first."""
    columns: list[Column] = [("Died", "at", _moment), *_JOB, ("Error", "error", _plain)]
    _show(_inspector(given).jobs("dead", limit), as_json, columns, "no dead jobs")


def _inspector(given: dict[str, Any]) -> Inspector:
    return Inspector(client.Client(config=configured(**given)).core)


def _show(rows: list[Row], as_json: bool, columns: Sequence[Column], nothing: str) -> None:
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows, columns, nothing)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))  # ASCII: control characters and surrogates leave as escapes


def _print_table(rows: Sequence[Row], columns: Sequence[Column], nothing: str) -> None:
    if not rows:
        click.echo(nothing, err=True)
        return
    # A pipe has no width: what is read by a program or a pager is not cut.
    console = Console(width=None if sys.stdout.isatty() else 1_000, markup=False, highlight=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD, show_header=any(heading for heading, _, _ in columns), pad_edge=False)
    for heading, key, _ in columns:
        right = all(isinstance(row[key], (int, float)) and not isinstance(row[key], bool) for row in rows)
        table.add_column(Text(heading), justify="right" if right else "left", overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(form(row[key])) for _, key, form in columns))
    console.print(table)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if type(value) is int else printable(value, 120)


def _args(args: list[Any]) -> str:
    return printable(json.dumps(args, ensure_ascii=False)[1:-1], 60)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return (
        f"{seconds:.1f} s"
        if seconds < 120
        else f"{seconds / 60:.1f} min"
        if seconds < 7_200
        else f"{seconds / 3600:.1f} h"
    )


def _moment(score: float) -> str:
    """`in 12.0 s`, `3.0 h ago`."""
    away = score - time.time()
    return f"in {_span(away)}" if away > 0 else f"{_span(-away)} ago"


_JOB: Sequence[Column] = (
    ("Class", "class", _plain),
    ("Arguments", "args", _args),
    ("Queue", "queue", _plain),
    ("Jid", "jid", _plain),
)
