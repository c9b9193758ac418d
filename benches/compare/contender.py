"""One contender: what its contender.toml says, and the command lines and environment made of it."""

import os
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders"
PEERS = HERE.parent / ".peers" / "compare"

WORKLOADS = ("drain", "enqueue", "bulk", "wakeup", "sleep", "asleep", "middle", "rest")
CONCURRENCY = {"drain": 10, "middle": 10, "wakeup": 10, "kill": 10, "sleep": 25, "rest": 25, "asleep": 500}
SIZES = {
    "drain": 5_000,
    "enqueue": 5_000,
    "bulk": 20_000,
    "wakeup": 200,
    "sleep": 2_000,
    "asleep": 5_000,
    "middle": 5_000,
}
KIND = {"drain": "noop", "enqueue": "noop", "bulk": "noop", "wakeup": "wake", "rest": "wake", "kill": "slow"}
UNITS = ("process", "threads", "async")
KILL_SECONDS = 90


class ContenderError(ValueError):
    """A contender.toml says something the frame does not understand."""


@dataclass(frozen=True)
class Contender:
    """The facts of one contender. `workloads` and `sizes` are what it can do, and how many jobs it is given."""

    name: str
    title: str
    language: str
    unit: str
    workloads: tuple[str, ...]
    worker: tuple[str, ...]
    settings: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> "Contender":
        path = folder / "contender.toml"
        try:
            settings = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ContenderError(f"{path}: {error}") from None
        try:
            read = cls(
                name=folder.name,
                title=settings["title"],
                language=settings["language"],
                unit=settings["unit"],
                workloads=tuple(settings["workloads"]),
                worker=tuple(settings["worker"]),
                settings=settings,
            )
        except KeyError as missing:
            raise ContenderError(f"{path}: no {missing}") from None
        unknown = set(read.workloads) - {*WORKLOADS, "kill"}
        if unknown or read.unit not in UNITS:
            raise ContenderError(f"{path}: unknown workload or unit: {sorted(unknown) or read.unit}")
        return read

    @property
    def folder(self) -> Path:
        return CONTENDERS / self.name

    @property
    def peer(self) -> Path:
        """The folder that it is installed in."""
        return PEERS / self.name

    @property
    def python(self) -> Path:
        return self.peer / "bin" / "python"

    @property
    def python_version(self) -> str:
        """3.13 where it needs that; any other is the version of INTERPRETER, whatever that is."""
        return str(self.settings.get("python", "3.11"))

    @property
    def kill_seconds(self) -> int:
        """How long after a kill -9 all jobs are waited for: longer where recovery takes longer by design."""
        return int(self.settings.get("kill_seconds", KILL_SECONDS))

    @property
    def floor(self) -> bool:
        """Not a queue system but what one cannot beat; it takes no part in who wins."""
        return bool(self.settings.get("floor"))

    @property
    def configuration(self) -> dict[str, str]:
        return dict(self.settings.get("configuration", {}))

    @property
    def unsupported(self) -> dict[str, str]:
        return dict(self.settings.get("unsupported", {}))

    def size(self, workload: str, scale: float = 1.0) -> int:
        """How many jobs it is given; slow ones get fewer, so that a measurement takes seconds."""
        jobs = self.settings.get("sizes", {}).get(workload, SIZES.get(workload, 1))
        return max(20, int(jobs * scale))

    def concurrency(self, workload: str) -> int:
        return int(self.settings.get("concurrency", {}).get(workload, CONCURRENCY.get(workload, 10)))

    def mode(self, workload: str) -> str:
        """How its jobs tell of themselves; see apps/record.py."""
        return "append" if self.unit == "process" or workload in ("wakeup", "rest", "kill") else "count"

    def worker_command(self, workload: str, values: dict[str, str]) -> list[str]:
        return _filled(self.settings.get(f"worker_{workload}", self.worker), values)

    def app_command(self, values: dict[str, str]) -> list[str]:
        return _filled(self.settings.get("app", ("{python}", "app.py")), values)

    def versions_command(self) -> list[str]:
        return _filled(self.settings.get("versions", ()), self.values())

    def values(self, url: str = "", side_url: str = "", concurrency: int = 10) -> dict[str, str]:
        """What the placeholders of its command lines stand for."""
        return {
            "python": str(self.python),
            "peer": str(self.peer),
            "folder": str(self.folder),
            "redis_url": url,
            "side_url": side_url,
            "concurrency": str(concurrency),
        }

    def environment(self, values: dict[str, str], more: dict[str, str]) -> dict[str, str]:
        """The variables of its processes, beside the few that `lab.process` passes on."""
        own = {name: text.format(**values) for name, text in self.settings.get("environment", {}).items()}
        return {
            "PATH": f"{self.peer / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(HERE / "apps"),
            "COMPARE_REDIS_URL": values["redis_url"],
            "COMPARE_SIDE_URL": values["side_url"],
            "COMPARE_CONCURRENCY": values["concurrency"],
            "COMPARE_PAUSE": str(self.settings.get("pause", 1)),
            "COMPARE_PEER": str(self.peer),
            **more,
            **own,
        }


def _filled(words: Iterable[str], values: dict[str, str]) -> list[str]:
    return [word.format(**values) for word in words]


def load_all(only: Iterable[str] = ()) -> list[Contender]:
    """All contenders, or those named, in the order of the names given; fastkiq first when none is."""
    found = {path.parent.name: Contender.load(path.parent) for path in sorted(CONTENDERS.glob("*/contender.toml"))}
    names = list(only) or sorted(found, key=lambda name: (name != "fastkiq", name))
    unknown = [name for name in names if name not in found]
    if unknown:
        sys.exit(f"no such contender: {', '.join(unknown)}; there are: {', '.join(found)}")
    return [found[name] for name in names]
