"""Real `fastkiq process` children, to be killed and replaced; the ledger knows their runs by their names."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from children import Child, clean_environment, fastkiq

APP = Path(__file__).with_name("app.py")
QUEUES = ("-q", "critical", "-q", "default", "-q", "low")


@cache
def own_namespace() -> tuple[str, ...] | None:
    """The command that gives a process a pid namespace of its own, so that it seems to run on another machine."""
    for user in ((), ("--user", "--map-root-user")):
        command = ("unshare", *user, "--pid", "--fork", "--kill-child", "--mount-proc")
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    return None


def need_namespace() -> None:
    """Skips the test where no pid namespace can be made; in CI, as root on Linux, fails it."""
    if own_namespace() is None:
        why = "no pid namespace can be made here (unshare, Linux, root or user namespaces)"
        pytest.fail(why) if os.environ.get("FASTKIQ_CI") == "1" and os.geteuid() == 0 else pytest.skip(why)


@dataclass
class Death:
    """A `kill -9`: the steady clock's nanoseconds just before it and when the process was gone."""

    worker: str
    pid: int
    """As the process itself sees it: a part of its name in Redis."""
    before: int
    gone: int


class Worker:
    """One child. `elsewhere`: in a pid namespace of its own."""

    def __init__(
        self, name: str, folder: Path, environment: Mapping[str, str], arguments: Sequence[str], elsewhere: bool
    ) -> None:
        self.name, self.elsewhere = name, elsewhere
        command = fastkiq("process", *arguments)
        if elsewhere:
            namespace = own_namespace()
            assert namespace is not None, "see need_namespace"
            command = [*namespace, *command]
        self.child = Child(command, folder, clean_environment({**environment, "WORKER": name}))

    @property
    def pid(self) -> int:
        """Of the worker itself; with a namespace of its own it is the child of the command that made it."""
        if not self.elsewhere:
            return self.child.pid
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        return int(children[0])

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> Death:
        """kill -9."""
        pid = self.pid
        before = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        self.child.wait(10)
        return Death(self.name, 1 if self.elsewhere else pid, before, time.monotonic_ns())

    def stop(self, timeout: float = 30) -> int:
        """TERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.child.wait(timeout)

    @property
    def is_running(self) -> bool:
        return self.child.returncode is None


class Crew:
    """Workers on one server and one ledger. All of them end with it."""

    def __init__(
        self, folder: Path, url: str, ledger: str, *options: str, lease: float | None = 2.0, app: Path = APP
    ) -> None:
        self.folder = folder
        self._environment = {"FASTKIQ_REDIS_URL": url, "LEDGER": ledger}
        self._options = [str(app), *QUEUES, *options]
        self._started = 0
        self.workers: list[Worker] = []
        self.deaths: list[Death] = []
        if lease is not None:
            file = folder / "lease.toml"
            file.write_text(f"lease = {lease}\n")
            self._options += ["-C", str(file)]

    def start(self, *options: str, elsewhere: bool = False, url: str | None = None, **environment: str) -> Worker:
        """One more; does not wait until it is ready."""
        self._started += 1
        own = {"FASTKIQ_REDIS_URL": url} if url else {}
        worker = Worker(
            f"w{self._started}",
            self.folder,
            {**self._environment, **own, **environment},
            [*self._options, *options],
            elsewhere,
        )
        self.workers.append(worker)
        return worker

    def ready(self, timeout: float = 20) -> "Crew":
        """Waits until all of them are."""
        for worker in self.workers:
            worker.child.wait_for("ready", timeout)
        return self

    def kill(self, worker: Worker) -> Death:
        death = worker.kill()
        self.deaths.append(death)
        self.dismiss(worker)
        return death

    def dismiss(self, worker: Worker) -> None:
        """One that has ended, or shall."""
        self.workers.remove(worker)
        worker.child.close()

    def stop(self) -> None:
        """TERM to all, once they are ready to heed it; each must end well."""
        self.ready()
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in self.workers:
            code = worker.child.wait(40)
            assert code == 0, f"{worker.name} ended with {code}:\n{worker.child.output()}"

    def close(self) -> None:
        for worker in self.workers:
            worker.child.close()
