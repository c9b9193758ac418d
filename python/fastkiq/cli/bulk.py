"""`fastkiq push --bulk`: jobs from lines of JSON. A bad line is found before the first job is enqueued."""

from collections import deque
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import click

from fastkiq import _core
from fastkiq.errors import ArgumentError, FastkiqError
from fastkiq.printable import counted, printable

if TYPE_CHECKING:
    from fastkiq.bound import Bound
    from fastkiq.client import Client, When

WHOLE: Final = 64 * 1024 * 1024
"""Bytes of a pipe that are read before anything is sent; what is longer is checked as it goes."""
_TOGETHER: Final = 1_000  # rows; one round trip


class _Line(NamedTuple):
    number: int
    """From 1, as editors count."""
    row: list[Any]


def push_lines(
    client: "Client", name: str, file: IO[bytes], when: "When | None", options: dict[str, Any], whole: int = WHOLE
) -> int:
    """Enqueues one job a line; answers how many. Raises UsageError for a bad line; then nothing was enqueued, or the
    message says how much."""
    target = client.target(name, options)
    most = client.config.max_payload_bytes
    source: Iterable[bytes] = file
    if not file.seekable():
        head = file.read(whole + 1)
        source = _joined(head, file) if len(head) > whole else (file := BytesIO(head))
    if source is file:
        start = file.tell()
        deque(_lines(target, file, most), maxlen=0)
        file.seek(start)
    lines = _lines(target, source, most)
    pushed = 0
    following = 1  # the first line of which nothing has been sent
    while True:
        try:
            some = list(islice(lines, _TOGETHER))
        except click.UsageError as error:
            so_far = f"; {counted(pushed, 'job')} enqueued so far, go on at line {following}" if pushed else ""
            raise click.UsageError(f"{error.message}{so_far}") from None
        if not some:
            return pushed
        try:
            pushed += len(client.enqueue_bulk(target, [line.row for line in some], when))
        except FastkiqError as error:
            _account(error, pushed, some)
            raise
        following = some[-1].number + 1


def _account(error: FastkiqError, before: int, lines: list[_Line]) -> None:
    """Says what has become of which lines."""
    pushed = len(getattr(error, "pushed", ()))
    uncertain = len(getattr(error, "uncertain", ()))
    if before or pushed or uncertain:
        click.echo(
            f"fastkiq: of lines {lines[0].number} to {lines[-1].number} {counted(pushed, 'job')} enqueued, "
            f"{uncertain:,} perhaps; {counted(before, 'job')} before, none after",
            err=True,
        )


def _joined(head: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    """The lines of what has been read and of what has not."""
    *lines, last = BytesIO(head).readlines()
    return chain(lines, [last if last.endswith(b"\n") else last + rest.readline()], rest)


def _lines(target: "Bound[...]", source: Iterable[bytes], most: int) -> Iterator[_Line]:
    """Each line's arguments, checked as far as they can be before they are sent."""
    for number, text in enumerate(source, 1):
        if not text.strip():
            continue
        try:
            row = _core.decode(text)
        except ValueError as error:
            shown = printable(text.decode("utf-8", "replace").rstrip("\n"), 60)
            raise click.UsageError(f"line {number} is no JSON: {shown} ({error})") from None
        if not isinstance(row, list):
            raise click.UsageError(f"line {number} is no JSON list of arguments")
        try:
            target.arguments(row, {})
            size = len(_core.encode({"args": row}))
            if size > most:
                raise ArgumentError(f"{size:,} bytes of arguments, more than max_payload_bytes")
        except FastkiqError as error:
            raise click.UsageError(f"line {number}: {error}") from None
        yield _Line(number, row)
