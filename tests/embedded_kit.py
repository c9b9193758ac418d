"""What the tests of the embedded server share: a folder of their own, who runs in it, and its end by pid."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from fastkiq import embedded
from fastkiq.errors import ConfigError
from servers import wait_until

LINGER = 0.3


def free(lock: Path) -> bool:
    """Whether nobody holds this lock file."""
    try:
        fd = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def gone(folder: Path) -> bool:
    """Whether neither supervisor nor server runs in the folder."""
    return free(folder / "fastkiq.lock") and free(folder / "server.lock")


def supervisor_pid(folder: Path) -> int:
    return int(wait_until((folder / "fastkiq.lock").read_text, 10))  # written just after the lock is taken


def server_pid(folder: Path) -> int:
    return int(wait_until((folder / "server.lock").read_text, 10))


def end(folder: Path) -> None:
    """Ends what runs in the folder. A held lock says that the pid in its file is nobody else's."""
    embedded.release(folder)
    for name, number in (("fastkiq.lock", signal.SIGTERM), ("server.lock", signal.SIGKILL)):
        lock = folder / name
        if not free(lock):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(lock.read_text()), number)
            wait_until(lambda lock=lock: free(lock), 15, f"{lock} to be free")


@contextlib.contextmanager
def own_folder(parent: Path, name: str = "data") -> Iterator[Path]:
    """A folder that does not exist yet; at the end nothing runs in it."""
    folder = parent / name
    try:
        yield folder
    finally:
        end(folder)


@pytest.fixture(autouse=True)
def linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTKIQ_EMBEDDED_LINGER", str(LINGER))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with own_folder(tmp_path) as path:
        yield path


def client(url: str) -> redis_py.Redis:
    return redis_py.Redis.from_url(url, decode_responses=True)


def refused(folder: Path, pattern: str) -> None:
    """No server runs there, and the error says so."""
    with pytest.raises(ConfigError, match=pattern):
        embedded.ensure(folder)
