"""A PostgreSQL of the shop's own: its data in one folder, reached by a Unix socket alone."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "shop"


class Postgres:
    """Knows how to start it. PostgreSQL refuses to run as root, so for root it runs as `postgres` or `nobody`."""

    def __init__(self, data: Path) -> None:
        self.binaries = binaries()
        self.account = unprivileged() if os.geteuid() == 0 else None
        # A socket's path must be short, and the other account must get there.
        place = Path(tempfile.gettempdir()) / f"fastkiq-shop-{hashlib.sha256(bytes(data)).hexdigest()[:12]}"
        self.socket_folder = place
        self.folder = (Path("/var/tmp") / place.name if self.account else data / "postgres").resolve()

    def prepare(self) -> None:
        """Makes the folders, and at the first start the data."""
        for folder in (self.folder, self.socket_folder):
            folder.mkdir(parents=True, exist_ok=True)
            if self.account:
                os.chown(folder, self.account.pw_uid, self.account.pw_gid)
            folder.chmod(0o700)
        if not (self.folder / "PG_VERSION").exists():
            # `trust` is for whoever can open the socket's folder: nobody but this user.
            words = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
            subprocess.run(
                [self.binaries / "initdb", "--pgdata", self.folder, *words],
                check=True,
                stdout=subprocess.DEVNULL,
                **self.as_account(),
            )

    def command(self) -> list[str]:
        """Runs it in the foreground."""
        words = [
            "-D",
            str(self.folder),
            "-k",
            str(self.socket_folder),
            "-c",
            "listen_addresses=",
            "-c",
            "log_min_messages=fatal",
        ]
        return [str(self.binaries / "postgres"), *words]

    def as_account(self) -> dict[str, Any]:
        """For `subprocess`: as whom, and where, since the folder of the caller may be closed to that account."""
        if self.account is None:
            return {}
        who = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return {**who, "cwd": self.folder}

    def environment(self) -> dict[str, str]:
        """libpq's own variables, which the settings read."""
        return {"PGHOST": str(self.socket_folder), "PGUSER": USER, "PGDATABASE": "shop", "PGPORT": "5432"}

    def wait(self, seconds: float = 30) -> None:
        """Until it is ready; then makes the database if there is none."""
        deadline = time.monotonic() + seconds
        status = self.folder / "postmaster.pid"  # its last line says how far it is; `pg_ctl --wait` looks there too
        while not (status.exists() and status.read_text().endswith("ready   \n")):
            if time.monotonic() > deadline:
                raise SystemExit("PostgreSQL does not start: see above")
            time.sleep(0.05)
        with psycopg.connect(host=str(self.socket_folder), user=USER, dbname="postgres", autocommit=True) as line:
            if not line.execute("select 1 from pg_database where datname = 'shop'").fetchone():
                line.execute("create database shop")

    def remove(self) -> None:
        """All data."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.socket_folder, ignore_errors=True)


def binaries() -> Path:
    """Where `postgres` and `initdb` are: Debian keeps them off the PATH. Exits with a word about what to install."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if versions:
        return versions[-1]
    raise SystemExit("no PostgreSQL here: install it (Debian: apt install postgresql; macOS: brew install postgresql)")


def unprivileged() -> pwd.struct_passwd:
    """An account that is not root's."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SystemExit(
        "PostgreSQL does not run as root, and there is no account postgres or nobody: start as another user"
    )
