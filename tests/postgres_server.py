"""A PostgreSQL server of the tests' own, run by an unprivileged user on a free port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def postgres() -> Iterator[dict[str, Any]]:
    """Yields an entry of Django's DATABASES."""
    programs = binaries()
    assert programs is not None, "no PostgreSQL, and in CI it must be there"
    folder = Path(tempfile.mkdtemp(prefix="fastkiq-pg-"))
    user = _user()
    if user is not None:
        os.chown(folder, user, -1)
    port = free_port()
    options: dict[str, Any] = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    data = str(folder / "data")
    words = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-instructions"]
    subprocess.run(words, check=True, timeout=60, **options)
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
    settings += ["-c", "max_prepared_transactions=4"]  # of two-phase commits
    server = subprocess.Popen([programs / "postgres", "-D", data, "-p", str(port), *settings], **options)
    try:
        ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL")
        where = {"HOST": "127.0.0.1", "PORT": port, "USER": "postgres", "NAME": "postgres"}
        yield {"ENGINE": "django.db.backends.postgresql", **where}
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


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
