"""A child process that lives no longer than the program that measures."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Self


class Helper:
    """`python -m MODULE ...` for as long as a `with` block lasts; `greeting` is the first line it printed.

    The child ends when its standard input does: on leaving the block, or when this process dies, however it dies. It
    has a session of its own, so that Ctrl-C reaches only the program that measures, and that one ends it in order.
    Raises OSError when it does not come up.
    """

    def __init__(self, module: str, arguments: Sequence[str], what: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._what = what
        self._process: subprocess.Popen[bytes] | None = None
        self.greeting = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            assert self._process.stdout is not None
            self.greeting = self._process.stdout.readline().decode("utf-8", "replace").rstrip("\n")
            if not self.greeting:
                raise OSError(f"{self._what} did not start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def pid(self) -> int:
        """Of the child, to count its CPU time apart."""
        if self._process is None:
            raise OSError(f"{self._what} is not running")
        return self._process.pid
