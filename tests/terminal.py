"""A command on a pseudo-terminal: what a person at it sees and types."""

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Terminal:
    """A child whose three streams are a terminal of so many columns."""

    def __init__(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], columns: int = 80) -> None:
        self._master, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env={**environment, "TERM": "xterm"},
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""
        """All it has shown so far, as it was sent; a line ends with CR LF."""

    def type(self, keys: str) -> None:
        """What a person types; "\\x03" is Ctrl-C."""
        os.write(self._master, keys.encode())

    def wait_for(self, wanted: str, timeout: float = 15.0) -> str:
        """Waits until it shows this; answers all that it has shown."""
        deadline = time.monotonic() + timeout
        while wanted not in self.text:
            if not self._read(deadline):
                raise AssertionError(f"{wanted!r} not within {timeout} s; shown:\n{self.text}")
        return self.text

    def wait_until_it_reads(self, timeout: float = 15.0) -> None:
        """Waits until it sleeps: CPython lets a Ctrl-C between question and read wait for the next key."""
        deadline = time.monotonic() + timeout
        while "State:\tS" not in Path(f"/proc/{self.process.pid}/status").read_text():
            assert time.monotonic() < deadline, f"not within {timeout} s"
            time.sleep(0.01)

    def wait(self, timeout: float = 30.0) -> int:
        """Waits for its end; answers the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        os.close(self._master)
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def close(self) -> None:
        """Nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def _read(self, deadline: float) -> bool:
        """Some more output; False at its end, or when it is too late."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 65_536) if ready else b""
        except OSError:  # EIO: the last one who had it open has ended
            data = b""
        self.text += self._decoder.decode(data)
        return bool(data)
