"""A wall clock of their own for child processes, to be set while they run."""

import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

SOURCE = Path(__file__).with_name("clock.c")


@cache
def library() -> Path | None:
    """`clock.c`, compiled once; None where that cannot be preloaded into a process."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    built = Path(mkdtemp(prefix="fastkiq-clock-")) / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, SOURCE], check=True)
    return built


class WallClock:
    """`environment` is for `Crew.start` and the like. Processes share the clock that they were started with."""

    def __init__(self, folder: Path, name: str, ahead: float = 0) -> None:
        self._file = folder / f"clock-{name}"
        self._file.write_bytes(bytes(8))
        self.ahead = 0.0
        self.set(ahead)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(library()), "CLOCK_OFFSET_FILE": str(self._file)}

    def set(self, ahead: float) -> None:
        """So many seconds ahead of the true time from now on."""
        self.ahead = ahead
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", int(ahead * 1e9)))
