"""Tracebacks: without fastkiq's own frames, bounded, and in the form that a payload stores."""

import base64
import json
import traceback
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

_HERE: Final = str(Path(__file__).parent) + "/"
_MOST_FRAMES: Final = 1_000
_LONGEST_TEXT: Final = 64_000
_MOST_LINES: Final = 10_000
_MOST_UNPACKED: Final = 1_048_576  # bytes; a thousand lines of a thousand characters, and zlib makes a thousand of one


class Stored(NamedTuple):
    """What a payload's `error_backtrace` says, as far as it can be read."""

    lines: list[str]
    flaw: str | None = None
    """Why that is not all, or nothing; for people."""


def is_own(file: str) -> bool:
    """Whether this is one of fastkiq's files."""
    return file.startswith(_HERE)


def users_part(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame outside fastkiq on; the whole one when there is none outside."""
    frame = error.__traceback__
    while frame is not None and is_own(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    return frame or error.__traceback__


def as_text(error: BaseException, start: TracebackType | None) -> str:
    """The whole traceback as Python prints it, causes and notes too, of an exception that may be hostile."""
    try:
        return bounded("".join(traceback.format_exception(type(error), error, start)).rstrip("\n"))
    except BaseException as worse:  # a broken __notes__ or __cause__ must not hide the failure itself
        return f"{type(error).__name__} (its traceback cannot be printed: {type(worse).__name__})"


def bounded(text: str) -> str:
    """The text, or its two ends when it is too long for a log."""
    if len(text) <= _LONGEST_TEXT:
        return text
    half = _LONGEST_TEXT // 2
    return f"{text[:half]}\n... ({len(text):,} characters) ...\n{text[-half:]}"


def lines(error: BaseException, most: int = _MOST_FRAMES) -> list[str]:
    """`file:line:in function`, the frame that raised first, as payloads of Sidekiq hold them."""
    walked = traceback.walk_tb(users_part(error))
    frames = [f"{frame.f_code.co_filename}:{line}:in {frame.f_code.co_qualname}" for frame, line in walked]
    return [line.encode("utf-8", "replace").decode() for line in frames[::-1][:most]]


def compressed(error: BaseException, most: int = _MOST_FRAMES) -> str:
    """The lines as a payload's `error_backtrace`: base64 of zlib of a JSON list."""
    text = json.dumps(lines(error, min(most, _MOST_FRAMES)), separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def read(stored: object) -> Stored:
    """The lines of an `error_backtrace`: compressed, or a plain list as before Sidekiq 6. Whatever it is, it takes no
    more than some megabytes of memory, and nothing is raised."""
    if stored is None:
        return Stored([])
    if isinstance(stored, list):
        return _texts(stored, whole=True)
    if not isinstance(stored, str):
        return Stored([], f"it is no text but a {type(stored).__name__}")
    # What is longer than this unpacks to more than is read, unless it is incompressible.
    packed = stored[: 2 * _MOST_UNPACKED]
    is_whole = len(packed) == len(stored)
    packed = packed.replace("\n", "")  # Sidekiq 6 wrote it in lines
    if not is_whole:
        packed = packed[: len(packed) // 4 * 4]
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(base64.b64decode(packed, validate=True), _MOST_UNPACKED)
    except (ValueError, zlib.error):
        return Stored([], "it is not base64 of zlib")
    if not unpacker.eof and is_whole and len(text) < _MOST_UNPACKED:
        return Stored([], "it is cut short")
    lines = _list(text) if unpacker.eof else _beginning(text)
    if not isinstance(lines, list):
        return Stored([], "it is not a list in JSON" if unpacker.eof else "it is too long")
    return _texts(lines, whole=unpacker.eof)


def _list(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _beginning(text: bytes) -> object:
    """The list up to the last line that is there whole. A comma after a quote may also stand inside of a line: a few
    are tried."""
    end = len(text)
    for _ in range(5):
        end = text.rfind(b'",', 0, end)
        if end < 0:
            break
        if (lines := _list(text[: end + 1] + b"]")) is not None:
            return lines
    return None


def _texts(lines: list[object], *, whole: bool) -> Stored:
    texts = [line[:_LONGEST_TEXT] for line in lines[:_MOST_LINES] if isinstance(line, str)]
    if not whole or len(lines) > _MOST_LINES:
        return Stored(texts, "it is too long: these are the first lines of it")
    return Stored(texts, None if len(texts) == len(lines) else "some of its lines are no texts")
