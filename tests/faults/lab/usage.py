"""What processes use of the machine, as Linux tells it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage:
    """Of these processes together, from when it was made."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = list(pids)
        self._at, self._cpu = time.monotonic(), self._cpu_seconds()
        self._rss = self.rss_kib()

    def cpu(self) -> float:
        """Cores used since, on average."""
        return (self._cpu_seconds() - self._cpu) / (time.monotonic() - self._at)

    def rss_kib(self) -> int:
        """Without what is mapped from files: a ledger would be counted."""
        return sum(int(_status(pid)["RssAnon"].split()[0]) for pid in self._pids)

    def growth_kib(self) -> int:
        return self.rss_kib() - self._rss

    def threads(self) -> int:
        return sum(int(_status(pid)["Threads"]) for pid in self._pids)

    def descriptors(self) -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._pids)

    def _cpu_seconds(self) -> float:
        total = 0
        for pid in self._pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
