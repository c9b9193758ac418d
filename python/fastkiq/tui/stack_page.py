"""What a running job, or all threads of a process, are doing: told at each heartbeat while this is open."""

import time
from dataclasses import dataclass
from typing import Any, Final

from textual.content import Content

from fastkiq.api import ProcessSet, Redis, Stacks, ask_for_stacks, stacks
from fastkiq.printable import printable
from fastkiq.tui.forms import clock
from fastkiq.tui.paragraphs import wrapped
from fastkiq.tui.view import PageView

_FRESH: Final = 2.0
"""Seconds after which the next answer is asked for."""
_MOST_LINES: Final = 5_000


@dataclass(frozen=True, slots=True)
class StackLook:
    """The stacks of a process."""

    process: str

    def read(self, redis: Redis) -> tuple[bool, Stacks | None]:
        """Whether it lives, and what it told last. Asks for more: the process answers at its next heartbeat."""
        told = stacks(redis, self.process)
        process = ProcessSet(redis).get(self.process)
        if process is not None and (told is None or time.time() - told.at > _FRESH):
            ask_for_stacks(redis, process)
        return process is not None, told


class StackPage(PageView):
    """The stack of one job; without a thread, those of all threads."""

    def __init__(self, process: str, thread: str, jid: str, tab: str) -> None:
        super().__init__()
        self.TAB = tab  # type: ignore[misc]  # of this instance
        self._process, self._thread, self._jid = process, thread, jid
        self._told: Stacks | None = None
        self._lives = True

    def request(self) -> StackLook:
        """Again and again."""
        return StackLook(self._process)

    def accept(self, value: Any) -> None:
        """What the process told last."""
        self._lives, told = value
        self._told = told or self._told

    def text(self, width: int) -> list[Content]:
        """Title, state, lines."""
        title = f"Stack of {printable(self._jid, 80)}" if self._thread else "Stacks of all threads"
        where = f"{printable(self._process, 300)} {printable(self._thread, 100)}".rstrip()
        lines = [Content.styled(title, "bold"), Content.styled(where, "dim"), Content(self._state()), Content("")]
        told = self._told
        if told is None:
            return lines
        if not self._thread:
            for each in told.threads.splitlines()[:_MOST_LINES]:
                lines += wrapped(each, width, "", "    ")
            return lines
        stack = told.of_jobs.get(self._thread)
        if not stack:
            return [*lines, Content("This thread is in no job.")]
        for each in stack[:_MOST_LINES]:
            for part in each.split("\n"):
                lines += wrapped(part, width, "" if part.startswith("    ") else "bold", "    ")
        return lines

    def _state(self) -> str:
        if not self._lives:
            return "The process is not there any more."
        if self._told is None:
            return "Asked; the process answers at its next heartbeat (5 s)…"
        return f"As of {clock(self._told.at)}; the innermost call is the last."
