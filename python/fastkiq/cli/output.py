"""What commands print: tables for people, JSON for programs, notes and progress on stderr."""

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from fastkiq.cli.rows import Row
from fastkiq.cli.table import COLOURS, Column, Style, lines
from fastkiq.logging import colourful
from fastkiq.printable import counted, printable

_NOTES: Final = 5
_PROGRESS: Final = 0.2
"""Seconds between two signs of life."""


def print_json(value: Any) -> None:
    """One document. It is ASCII: control characters and surrogates leave as escapes."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def print_table(rows: Sequence[Row], columns: Sequence[Column], nothing: str = "") -> None:
    """A table that fits the terminal; in a pipe each row in one line. Without rows `nothing` stands on stderr."""
    if not rows:
        click.echo(nothing, err=True)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines(rows, columns, width, COLOURS if colourful(sys.stdout) else Style()):
        click.echo(line)


def print_notes(notes: Sequence[str]) -> None:
    """On stderr, so that what reads the listing is not disturbed; of a thousand only the first few."""
    for note in notes[:_NOTES]:
        say(note)
    if (more := len(notes) - _NOTES) > 0:
        say(f"and {counted(more, 'thing')} more of the kind")


def say(text: str) -> None:
    """One line for people, on stderr."""
    click.echo(f"fastkiq: {printable(text, 5_000)}", err=True)


@contextmanager
def progress(every: float = _PROGRESS) -> Iterator[Callable[[str], None]]:
    """Shows how far something has come, on a terminal: one line that is gone at the end. What comes sooner than `every`
    seconds after the beginning or the last is passed over."""
    wanted, shown = sys.stderr.isatty(), False
    told = time.monotonic()

    def tell(what: str) -> None:
        nonlocal shown, told
        if wanted and time.monotonic() - told >= every:
            shown, told = True, time.monotonic()
            click.echo(f"\r\x1b[K{what} ...", nl=False, err=True)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def _finite(value: Any) -> Any:
    """JSON knows no infinity, which is a score in Redis and what a number like 1e999 reads as: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value
