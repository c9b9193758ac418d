"""Whole programs of users, run as children: what they noted, and how and how soon they ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from children import clean_environment

HEAD = """
import os, sys, threading, time
import fastkiq

def note(*words, log=os.open("notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
    "One line, at once and whole, whichever process or thread says it."
    os.write(log, (" ".join(map(str, words)) + "\\n").encode())

"""
"""What each program begins with."""


@dataclass
class Finished:
    """A program that has ended."""

    code: int
    """As in subprocess: negative when a signal ended it."""
    output: str
    notes: list[list[str]]
    seconds: float

    def noted(self, kind: str) -> list[list[str]]:
        """The words after `kind` of each note of that kind."""
        return [rest for first, *rest in self.notes if first == kind]


class Program:
    """One that runs, in a session of its own."""

    def __init__(self, folder: Path, source: str, url: str, arguments: Sequence[str]) -> None:
        self._folder, self.begun = folder, time.monotonic()
        file = folder / "program.py"
        file.write_text(HEAD + source)
        (folder / "notes").unlink(missing_ok=True)
        warnings = "ignore::DeprecationWarning"  # of forks beside threads, from 3.12 on
        # Output to a file and not a pipe: its end is awaited, not that of the last child that holds its output.
        with (folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(file), *arguments],
                cwd=folder,
                env=clean_environment({"FASTKIQ_REDIS_URL": url, "PYTHONWARNINGS": warnings}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def notes(self) -> list[list[str]]:
        file = self._folder / "notes"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def noted(self, kind: str) -> list[list[str]]:
        return [rest for first, *rest in self.notes if first == kind]

    def wait(self, timeout: float) -> Finished:
        """Its end; a program that hangs fails the test with what it has printed."""
        output = self._folder / "output"
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hangs after {timeout} s:\n{output.read_text()}") from None
        return Finished(code, output.read_text(), self.notes, time.monotonic() - self.begun)

    def close(self) -> None:
        """Nothing of it is left, nor of the children it has forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)


@contextlib.contextmanager
def running(folder: Path, source: str, url: str, arguments: Sequence[str] = ()) -> Iterator[Program]:
    program = Program(folder, source, url, arguments)
    try:
        yield program
    finally:
        program.close()


def run(folder: Path, source: str, url: str, arguments: Sequence[str] = (), timeout: float = 30) -> Finished:
    """To its end."""
    with running(folder, source, url, arguments) as program:
        return program.wait(timeout)
