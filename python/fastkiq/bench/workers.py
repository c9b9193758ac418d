"""The `fastkiq process` children under measurement."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Any, Final, Self

from fastkiq import _core
from fastkiq.bench.errors import BenchError
from fastkiq.bench.jobs import DESCRIPTOR

_START: Final = 30.0  # seconds
_ANSWER: Final = 30.0
_STOP: Final = 10.0


class Workers:
    """So many processes on one URL, ready when the `with` block begins and gone after it; they report over one pipe.

    Raises BenchError when one does not start or ends early, with the last it said.
    """

    def __init__(
        self,
        processes: int,
        url: str,
        queues: Sequence[str],
        concurrency: int,
        fetch: str,
        pids: list[int],
    ) -> None:
        """`pids` is added to as they start: their keys in Redis are known by these, also after their end."""
        self._processes = processes
        self._command = [sys.executable, "-m", "fastkiq", "process", "fastkiq.bench.jobs"]
        self._command += ["-c", str(concurrency), "--fetch", fetch, "-t", "1", "-g", "bench", "--log-format", "plain"]
        for queue in queues:
            self._command += ["-q", queue]
        self._environment = environment(url)
        self._children: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []
        self._open = ExitStack()
        self._reports = -1
        self._text = b""
        self._pids = pids

    def __enter__(self) -> Self:
        self._reports, told = os.pipe()
        try:
            for _ in range(self._processes):
                self._start(told)
            os.close(told)
            for _ in self._children:
                self.next("ready", _START)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, told: int) -> None:
        log = self._open.enter_context(TemporaryFile("w+b"))  # noqa: SIM115 - it is entered, and closed by `stop`
        child = subprocess.Popen(
            self._command,
            cwd="/",  # no configuration file of here changes what is measured
            env={**self._environment, DESCRIPTOR: str(told)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(told,),
            start_new_session=True,
        )
        self._logs.append(log)
        self._children.append(child)
        self._pids.append(child.pid)

    def next(self, key: str, timeout: float) -> Any:
        """The next report that has this key: its value. Others before it are of no interest any more."""
        deadline = monotonic() + timeout
        while True:
            line, newline, rest = self._text.partition(b"\n")
            if newline:
                self._text = rest
                report = _core.decode(line)
                if key in report:
                    return report[key]
                continue
            self.check()
            left = deadline - monotonic()
            if left <= 0:
                raise BenchError(f"the workers have not reported for {timeout:.0f} s{self.last_words()}")
            if select.select([self._reports], [], [], min(left, 0.2))[0]:
                self._text += os.read(self._reports, 65_536)

    def usage(self) -> list[dict[str, Any]]:
        """What each process has used so far, as `jobs.usage` says."""
        for child in self._children:
            assert child.stdin is not None
            try:
                os.write(child.stdin.fileno(), b"usage\n")
            except BrokenPipeError:
                self.check()
        return [self.next("usage", _ANSWER) for _ in self._children]

    def check(self) -> None:
        """Raises BenchError when a process has ended."""
        for number, child in enumerate(self._children):
            if child.poll() is not None:
                raise BenchError(f"a worker process ended with {child.returncode}{self.last_words(number)}")

    def stop(self) -> None:
        """In order, and in a few seconds whatever happens."""
        for child in self._children:
            child.send_signal(signal.SIGTERM)
        deadline = monotonic() + _STOP
        for child in self._children:
            try:
                child.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin is not None:
                child.stdin.close()
        self._open.close()
        self._children.clear()
        self._logs.clear()
        if self._reports >= 0:
            os.close(self._reports)
            self._reports = -1

    def last_words(self, number: int = 0) -> str:
        """For the end of an error: the last line that this process has logged."""
        log = self._logs[number]
        log.seek(max(0, log.seek(0, os.SEEK_END) - 2_000))
        line = log.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"; the last it said: {line.removeprefix('fastkiq: ')}" if line else ""


def environment(url: str) -> dict[str, str]:
    """This one, without what would steer the workers otherwise."""
    steering = ("REDIS_URL", "APP_ENV", "DYNO")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FASTKIQ_")}
    return {**{name: value for name, value in kept.items() if name not in steering}, "FASTKIQ_REDIS_URL": url}
