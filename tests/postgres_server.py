"""A PostgreSQL server of the tests' own, run by an unprivileged user on a free port."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from servers import free_port, wait_until


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders and (folders[-1] / "initdb").exists() else None


def is_missing() -> bool:
    """Whether tests that need it are to be skipped. In CI, which installs it, they fail instead."""
    return binaries() is None and os.environ.get("FASTKIQ_CI") != "1"


class Postgres:
    """A server with its data in `folder`; `entry` is one of Django's DATABASES."""

    def __init__(self, folder: Path) -> None:
        programs = binaries()
        assert programs is not None, "no PostgreSQL, and in CI it must be there"
        self._programs, self._folder, self._data = programs, folder, str(folder / "data")
        user = _user()
        if user is not None:
            os.chown(folder, user, -1)
        quiet = subprocess.DEVNULL
        self._options: dict[str, Any] = {"user": user, "cwd": folder, "stdout": quiet, "stderr": quiet}
        self._port = free_port()
        where = {"HOST": "127.0.0.1", "PORT": self._port, "USER": "postgres", "NAME": "postgres"}
        self.entry: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", **where}
        words = [programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions"]
        subprocess.run(words, check=True, timeout=60, **self._options)
        self.start()

    def start(self) -> None:
        """Returns when it answers."""
        own = [f"unix_socket_directories={self._folder}", "listen_addresses=127.0.0.1", "fsync=off"]
        own.append("max_prepared_transactions=4")  # of two-phase commits
        settings = [word for setting in own for word in ("-c", setting)]
        command = [self._programs / "postgres", "-D", self._data, "-p", str(self._port), *settings]
        self._server = subprocess.Popen(command, **self._options)
        ready = [self._programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self._port), "-q"]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL")

    def stop(self) -> None:
        """At once: who is connected is thrown out."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(30)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One that is gone afterwards."""
    with TemporaryDirectory(prefix="fastkiq-pg-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


def _user() -> int | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise AssertionError("nobody to run PostgreSQL as")
