"""The figures of `fastkiq bench` for people: a table on a terminal, aligned lines in a pipe."""

import shutil
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from fastkiq.cli.table import Column, lines
from fastkiq.logging import colourful
from fastkiq.printable import counted, printable

Figures = dict[str, Any]
Row = tuple[str, str, str, str]
"""What, the figure, its unit, and what there is to say about it."""
_NOTED: Final = 72
"""Columns from which on there is room for that."""


def show(figures: Figures) -> None:
    """Prints them."""
    if sys.stdout.isatty():
        _table(figures)
    else:
        keys = ("what", "value", "unit", "note")
        rows = [dict(zip(keys, row, strict=True)) for row in _rows(figures)]
        table = lines(rows, [Column("", key, str) for key in keys], None)
        click.echo("\n".join([*_conditions(figures), "", *table]))  # at once: the reader may leave after a line
    for hint in figures["hints"]:
        click.echo(f"fastkiq: {hint}", err=True)


def _table(figures: Figures) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns
    console = Console(width=width, no_color=not colourful(sys.stdout), highlight=False)
    for line in _conditions(figures):
        console.print(Text(line, style="dim"))
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    if width >= _NOTED:
        table.add_column(style="dim")
    for row in _rows(figures):
        table.add_row(*(Text(cell) for cell in row[: len(table.columns)]))
    console.print(table)


def _conditions(figures: Figures) -> list[str]:
    server = printable(figures["server"], 80) + (", private, without persistence" if figures["server_private"] else "")
    processes = counted(figures["processes"], "process", "processes")
    delay = f", {figures['delay_ms']:g} ms added to each round trip" if figures["delay_ms"] else ""
    spread = f" over {figures['queues']:,} queues" if figures["queues"] > 1 else ""
    return [
        f"fastkiq {figures['fastkiq']} | {figures['python']} | {server} | {figures['machine']}",
        f"{counted(figures['jobs'], 'job')} of {figures['payload_bytes']:,} bytes{spread} | {processes} of "
        f"{counted(figures['concurrency'], 'thread')} | {figures['fetch']} fetch | "
        f"log level {figures['log_level']}{delay}",
    ]


def _rows(figures: Figures) -> Iterator[Row]:
    singles = counted(figures["enqueue_single_jobs"], "job")
    yield "enqueue one by one", _figure(figures["enqueue_single_jobs_per_second"], 0), "jobs/s", singles
    yield "enqueue in bulk", _figure(figures["enqueue_bulk_jobs_per_second"], 0), "jobs/s", ""
    took = f"in {figures['drain_seconds']:.3f} s"
    yield "drain", _figure(figures["drain_jobs_per_second"], 0), "jobs/s", took
    probes = f"push to first line, {counted(figures['wake_up_probes'], 'probe')}"
    yield "wake-up p50", _figure(figures["wake_up_p50_ms"], 2), "ms", probes
    for name in ("p90", "p99", "max"):
        yield f"wake-up {name}", _figure(figures[f"wake_up_{name}_ms"], 2), "ms", ""
    yield "CPU, workers", _figure(figures["worker_cpu_us_per_job"], 2), "us a job", ""
    yield "CPU, Redis", _figure(figures["redis_cpu_us_per_job"], 2), "us a job", ""
    yield "Redis commands", _figure(figures["redis_commands_per_job"], 4), "a job", "scripts' own included"
    yield "Redis round trips", _figure(figures["redis_round_trips_per_job"], 4), "a job", ""
    each = "the largest process" if figures["processes"] > 1 else ""
    yield "memory, worker at rest", _figure(figures["worker_rss_at_rest_mib"], 1), "MiB", each
    yield "memory, worker at most", _figure(figures["worker_rss_peak_mib"], 1), "MiB", each
    yield "memory in Redis", _figure(figures["redis_memory_bytes_per_job"], 0), "bytes a job", "while it is queued"


def _figure(value: float | None, digits: int) -> str:
    """`-` for what could not be told."""
    return "-" if value is None else f"{value:,.{digits}f}"
