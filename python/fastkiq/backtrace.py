"""Tracebacks: without fastkiq's own frames, bounded, and in the form that a payload stores."""

import base64
import json
import traceback
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final

_HERE: Final = str(Path(__file__).parent) + "/"
_MOST_FRAMES: Final = 1_000
_LONGEST_TEXT: Final = 64_000


def users_part(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame outside fastkiq on; the whole one when there is none outside."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_HERE):
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
