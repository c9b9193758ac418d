"""Child processes that are measured, and what /proc tells of them and of theirs. Linux only."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
KB = 1024
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class Child:
    """A child in a process group of its own, its stdout and stderr appended to the file `log`.

    As a context manager it leaves nothing of the group behind.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(each) for each in arguments],
                env=clean_environment(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def terminate(self, seconds: float = 30.0) -> int:
        """TERM to the process, KILL to its group when it takes longer; answers the exit code."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """kill -9 to the whole group; answers the exit code."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        return self.process.wait(10)

    def words(self, characters: int = 400) -> str:
        """The end of its log in one line, for the report of a failure."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return " ".join(text.split())[-characters:]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The little of this environment that no contender's behaviour depends on, plus `extra`."""
    return {**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, **(extra or {})}


def run(
    arguments: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 120.0,
) -> str:
    """Its stdout. RuntimeError with the end of what it said when it fails or takes longer than `seconds`."""
    words = [str(each) for each in arguments]
    with subprocess.Popen(
        words,
        env=clean_environment(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise RuntimeError(f"{words[0]}: not within {seconds:g} s") from None
    if process.returncode:
        raise RuntimeError(f"{words[0]}: exit code {process.returncode}: {' '.join((out + err).split())[-400:]}")
    return out


def tree(pid: int) -> list[int]:
    """The process and all that descend from it, as far as they are alive."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid] if _stat(pid) else []
    for each in found:  # grows as it goes
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, its ended and awaited members included; 10 ms fine."""
    fields = [_stat(each) for each in tree(pid)]
    return sum(sum(int(each[index]) for index in (11, 12, 13, 14)) for each in fields if each) / TICKS


def fine_cpu_seconds(pid: int) -> float:
    """As the scheduler counts, to the nanosecond, but of the living threads of a process tree only."""
    total = 0
    for each in tree(pid):
        for path in Path(f"/proc/{each}/task").glob("*/schedstat"):
            try:
                total += int(path.read_text().split()[0])
            except OSError:
                continue  # the thread has just ended
    return total / 1e9


def memory(pid: int) -> int:
    """Bytes resident now, of a process tree. What its members share counts for each of them."""
    return sum(_status(each, "VmRSS") for each in tree(pid))


def peak_memory(pid: int) -> int:
    """Bytes resident at most since the start or `forget_peak`: the sum of each living member's own peak."""
    return sum(_status(each, "VmHWM") for each in tree(pid))


def forget_peak(pid: int) -> None:
    """From here on `peak_memory` counts anew."""
    for each in tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name (0 = state, 1 = parent); empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KB for line in lines if line.startswith(name + ":")), 0)
