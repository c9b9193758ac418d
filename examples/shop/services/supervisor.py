"""Runs several programs as one: their output in one terminal, started again when they end, all ended together."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Program:
    """One of them, in a session of its own: the terminal's Ctrl-C reaches the supervisor alone."""

    def __init__(
        self, name: str, words: list[str], environment: Mapping[str, str], *, stop: int = signal.SIGTERM, **how: Any
    ) -> None:
        self.name, self.words, self.environment, self.how = name, words, dict(environment), how
        self.stop_signal = stop
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.words,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            **self.how,
        )
        threading.Thread(target=self.tell, args=(self.process,), daemon=True).start()

    def tell(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            say(self.name, line.rstrip())

    def stop(self, patience: float = 30.0) -> None:
        """Politely, then not."""
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def say(name: str, line: str) -> None:
    """One line in the terminal."""
    sys.stdout.write(f"{name:>9} | {line}\n")
    sys.stdout.flush()


def watch(programs: list[Program]) -> None:
    """Until Ctrl-C. What is killed or stopped is started again, as systemd or Kubernetes would; what fails ends all."""
    while True:
        time.sleep(0.5)
        for program in programs:
            code = program.process.poll()
            if code is None:
                continue
            say(program.name, f"ended with {code}")
            if code > 0:
                raise SystemExit(f"{program.name} cannot go on: see above")
            program.start()
            say(program.name, f"started again, as process {program.process.pid}")


def write_whole(path: Path, text: str) -> None:
    """Nobody reads half of it."""
    draft = path.with_suffix(".part")
    draft.write_text(text)
    draft.replace(path)
