"""Real `fastkiq process` children for the tests, with their output read as it comes."""

import codecs
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without what would steer fastkiq (FASTKIQ_*, REDIS_URL, PYTHON*), plus `extra`."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**environment, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(extra or {})}


class Child:
    """A child process in a session of its own; stdout and stderr are one stream, as in a terminal."""

    def __init__(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._text = ""
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """As in subprocess: None while it runs, negative when a signal ended it."""
        return self.process.poll()

    def output(self) -> str:
        """All it has printed so far."""
        with self._news:
            return self._text

    def wait_for(self, wanted: str | Callable[[str], object], timeout: float = 15.0) -> str:
        """Waits until the output contains the text, or the predicate over the output is true; answers the output."""
        found = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + timeout
        with self._news:
            while not found(self._text):
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None and not self._reader.is_alive()
                if left <= 0 or ended:
                    why = f"ended with {self.process.poll()}" if ended else f"not within {timeout} s"
                    raise AssertionError(f"{wanted!r}: {why}; output:\n{self._text}")
                self._news.wait(min(left, 0.1))
            return self._text

    def wait(self, timeout: float = 30.0) -> int:
        """Waits for its end; answers the exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s; output:\n{self.output()}") from None
        self._reader.join(5)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process itself, not to its children."""
        self.process.send_signal(number)

    def stop(self, timeout: float = 30.0) -> int:
        """TERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> int:
        """kill -9, and the exit code."""
        self.process.kill()
        return self.wait(10)

    def close(self) -> None:
        """Whatever state it is in, nothing of it is left: its session goes with it."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait(10)
        self._reader.join(5)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while data := os.read(self.process.stdout.fileno(), 65536):
            with self._news:
                self._text += decoder.decode(data)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def fastkiq(*arguments: str) -> list[str]:
    """The command line of the tool under test, by this very interpreter."""
    return [sys.executable, "-m", "fastkiq", *arguments]
