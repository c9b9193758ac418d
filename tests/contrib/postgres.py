"""A PostgreSQL server of its own for the tests of a session, on a free port of the loopback."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import free_port


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: on the PATH, or where Debian keeps them."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@contextmanager
def running() -> Iterator[str]:
    """Yields `127.0.0.1:PORT/postgres`, for the user `postgres` without a password."""
    folder = binaries()
    assert folder is not None
    root = Path(tempfile.mkdtemp(prefix="fastkiq-postgres-"))
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    if user is not None:
        shutil.chown(root, user)
    data, port = root / "data", free_port()
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {root} -c fsync=off"

    def call(name: str, *arguments: str) -> None:
        command = [str(folder / name), *arguments]
        subprocess.run(command, check=True, user=user, cwd=root, stdout=subprocess.DEVNULL, timeout=60)

    try:
        call("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        call("pg_ctl", "-D", str(data), "-w", "-l", str(root / "log"), "-o", options, "start")
        try:
            yield f"127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(root)
