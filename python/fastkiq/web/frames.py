"""Backtraces as pages show them: the program's own frames told from those of libraries."""

import re
from dataclasses import dataclass
from typing import Final

from fastkiq.backtrace import read
from fastkiq.job import Job

_MOST: Final = 200
_LONGEST: Final = 1_000
"""Characters of a line."""
_FORM: Final = re.compile(r"(?P<file>.+?):(?P<line>\d{1,9})(?::in [`']?(?P<name>.*?)'?)?", re.DOTALL)
# Python's standard library and installed packages, Ruby's, and what has no file.
FOREIGN: Final = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\]python\d|[/\\]Lib[/\\]|[/\\]gems[/\\]|[/\\]lib[/\\]ruby[/\\]|^<|^\(eval"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a backtrace."""

    file: str
    line: str
    name: str
    is_own: bool
    """Whether it is of the program itself, as far as its path tells."""


@dataclass(frozen=True, slots=True)
class Backtrace:
    """What a payload keeps of one."""

    frames: list[Frame]
    total: int
    """Lines that are kept; more than are shown."""
    flaw: str | None
    """Why that is not all of it."""

    @property
    def text(self) -> str:
        """To be copied."""
        return "\n".join(_line(each) for each in self.frames)


def backtrace(job: Job) -> Backtrace:
    """That of the last error; the frame that raised comes first."""
    stored = read(job.payload.get("error_backtrace"))
    return Backtrace([_frame(line[:_LONGEST]) for line in stored.lines[:_MOST]], len(stored.lines), stored.flaw)


def _frame(line: str) -> Frame:
    found = _FORM.fullmatch(line)
    if found is None:
        return Frame(line, "", "", False)
    return Frame(found["file"], found["line"], found["name"] or "", not FOREIGN.search(found["file"]))


def _line(frame: Frame) -> str:
    return ":".join(part for part in (frame.file, frame.line, frame.name and f"in {frame.name}") if part)
