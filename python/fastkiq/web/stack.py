"""Stacks as pages show them: the program's own frames told from those of libraries."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from fastkiq.web.frames import FOREIGN

Kind = Literal["own", "library", "thread", "note"]
MOST: Final = 10_000
"""Lines of one text."""
# `file:12:in name` of a job, `  File "file", line 12, in name` of a thread's dump.
_FRAME: Final = re.compile(r'(?:  File "(?P<quoted>.+)", line \d{1,9}, in |(?P<plain>\S.*?):\d{1,9}:in )')
_THREAD: Final = re.compile(r"Thread .+ \(\d+\):")
_OURS: Final = str(Path(__file__).parents[1])


class Line(NamedTuple):
    """One line; `own` and `library` are frames and the source below them, as far as the path tells."""

    kind: Kind
    text: str


def lines(told: Iterable[str]) -> list[Line]:
    """Line by line, in their order."""
    return list(_lines(told))


def _lines(told: Iterable[str]) -> Iterator[Line]:
    kind: Kind = "note"
    for number, text in enumerate(told):
        if number == MOST:
            yield Line("note", "…")
            return
        if found := _FRAME.match(text):
            kind = "own" if _is_own(found["quoted"] or found["plain"]) else "library"
        elif _THREAD.fullmatch(text):
            kind = "thread"
        elif not text.startswith("    "):
            kind = "note"
        yield Line(kind, text)


def _is_own(file: str) -> bool:
    return not FOREIGN.search(file) and not file.startswith(_OURS)
