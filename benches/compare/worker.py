"""A contender's worker process, or the several that it makes of itself, while it is measured."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from lab.process import KB, Child, cpu_seconds, fine_cpu_seconds, memory, peak_memory, tree

STOP_SECONDS = 2.0


class Worker:
    """Runs for as long as a `with` block lasts; then it is told to stop, and what is left of it is killed.

    Some make process groups of their own, so what is killed is the tree as it was, pid by pid, and the group.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._child = Child(command, log, environment, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        known = _births(self.members())
        if self._child.running:
            self._child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._child.running and time.monotonic() < deadline:
            time.sleep(0.01)
        self._end({**known, **_births(self.members())})

    def kill(self) -> None:
        """kill -9 of all its processes."""
        self._end(_births(self.members()))

    def _end(self, members: dict[int, str]) -> None:
        for pid, birth in members.items():
            if _births([pid]) == {pid: birth}:  # else somebody else has the number by now
                os.kill(pid, signal.SIGKILL)
        self._child.kill()

    @property
    def pid(self) -> int:
        return self._child.pid

    def members(self) -> list[int]:
        return tree(self.pid)

    def gone(self) -> str | None:
        """Why it runs no more, with the end of what it said; None while it runs."""
        if self._child.running:
            return None
        return f"the worker ended with exit code {self._child.process.returncode}: {self._child.words(200)}"

    def cpu(self) -> float:
        """Seconds, user and system, of all its processes, those that ended included."""
        return cpu_seconds(self.pid)

    def fine_cpu(self) -> float:
        """As `cpu`, in nanoseconds' steps, but of the threads that live now: for a worker at rest."""
        return fine_cpu_seconds(self.pid)

    def memory(self) -> int:
        """Bytes resident; of several processes their shares (PSS): what they have in common counts once."""
        members = self.members()
        return memory(self.pid) if len(members) == 1 else sum(_proportional(each) for each in members)

    def peak_memory(self) -> int:
        """Bytes resident at most; of several processes what they hold now, since nobody keeps the peak of shares."""
        return peak_memory(self.pid) if len(self.members()) == 1 else self.memory()


def _births(pids: Sequence[int]) -> dict[int, str]:
    """When each of the living started, in ticks since boot: with it a pid names one process for good."""
    found = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[pid] = fields[19]
    return found


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KB for line in lines if line.startswith("Pss:")), 0)
