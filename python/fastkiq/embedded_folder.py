"""The embedded server's folder: whose it may be, what lies in it, and the locks that order starting and stopping.

| file | what it is |
|---|---|
| `fastkiq.lock` | flock of the supervisor for its life; marks the folder as fastkiq's; says the supervisor's pid |
| `server.lock` | flock inherited by the server's processes; says the server's pid |
| `gate` | flock: shared while somebody looks for the server, alone while it is started or shut down |
| `address` | where the server listens, relative to the folder or absolute |
| `log`, `log.1` | what supervisor and server have to say |
| `appendonlydir/` | the data |
"""

import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fastkiq.embedded_supervisor import ADDRESS, SOCKET, SUPERVISOR_LOCK, open_private, take_lock
from fastkiq.errors import ConfigError, EmbeddedError

MAX_SOCKET_PATH: Final = 107 if sys.platform == "linux" else 103  # bytes of sun_path without its closing zero
LOG_BYTES: Final = 1 << 20  # a longer log is put aside (log.1) at the next start
ELSEWHERE: Final = "choose another folder with FASTKIQ_EMBEDDED_DIR"


class Place:
    """The folder, opened once and checked; all its files are reached through that descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = open_owned_folder(path)
        try:
            self._claim()
        except OSError as error:
            self.close()
            raise EmbeddedError(f"cannot write in {path}: {error.strerror}; make room or {ELSEWHERE}") from None
        except BaseException:
            self.close()
            raise

    def _claim(self) -> None:
        """Makes an empty folder ours; refuses one that holds somebody's files (its access rights would change)."""
        if not self._has(SUPERVISOR_LOCK) and os.listdir(self.fd) and not self._has(SUPERVISOR_LOCK):
            raise ConfigError(f"{self.path} is not empty and was not made by fastkiq; {ELSEWHERE}")
        os.close(self.open(SUPERVISOR_LOCK, os.O_RDWR))
        if stat.S_IMODE(os.fstat(self.fd).st_mode) != 0o700:
            os.fchmod(self.fd, 0o700)
        ignore = self.open(".gitignore", os.O_RDWR)
        try:
            if os.fstat(ignore).st_size == 0:
                os.write(ignore, b"*\n")
        finally:
            os.close(ignore)

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str, flags: int) -> int:
        return open_private(name, flags, self.fd)

    @contextlib.contextmanager
    def locked(self, name: str, kind: int, deadline: float) -> Iterator[bool]:
        """Holds a flock on one of the folder's files; gives False when it was not to be had by then."""
        fd = self.open(name, os.O_RDWR)
        try:
            yield take_lock(fd, kind, deadline)
        finally:
            os.close(fd)

    def open_log(self) -> int:
        log = self.open("log", os.O_WRONLY | os.O_APPEND)
        if os.fstat(log).st_size <= LOG_BYTES:
            return log
        os.close(log)
        os.rename("log", "log.1", src_dir_fd=self.fd, dst_dir_fd=self.fd)
        return self.open("log", os.O_WRONLY | os.O_APPEND)

    def owned(self) -> bool:
        """Whether a supervisor lives."""
        with self.locked(SUPERVISOR_LOCK, fcntl.LOCK_SH, 0.0) as free:
            return not free

    def socket(self) -> Path | None:
        """Where the supervisor said that the server listens."""
        try:
            fd = os.open(ADDRESS, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        with open(fd, "rb") as file:
            return self.path / os.fsdecode(file.read(4096))

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def choose_socket(folder: Path) -> Path:
    """In the folder (named relative to it, so that the folder may be moved), or elsewhere when that is too long."""
    if len(os.fsencode(folder / SOCKET)) <= MAX_SOCKET_PATH:
        return Path(SOCKET)
    name = f"{sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16]}.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path(runtime, "fastkiq")] if os.path.isabs(runtime) else []
    for candidate in [*candidates, Path(f"/tmp/fastkiq-{os.geteuid()}")]:
        if len(os.fsencode(candidate / name)) > MAX_SOCKET_PATH:
            continue
        with contextlib.suppress(ConfigError):
            fd = open_owned_folder(candidate)
            os.fchmod(fd, 0o700)
            os.close(fd)
            return candidate / name
    raise ConfigError(f"no place for the server's socket: {folder} is too long for one; set XDG_RUNTIME_DIR")


def open_owned_folder(path: Path) -> int:
    """Makes the folder when missing; its descriptor. Raises ConfigError for what is no folder, a link, or another's."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(
                f"{path} is a symbolic link, which the embedded server does not follow; {ELSEWHERE}"
            ) from None
        reason = "is not a folder" if error.errno == errno.ENOTDIR else f"cannot be used: {error.strerror}"
        raise ConfigError(f"{path} {reason}; {ELSEWHERE}") from None
    if (owner := os.fstat(fd).st_uid) != os.geteuid():
        os.close(fd)
        raise ConfigError(f"{path} belongs to user {owner}, not to you ({os.geteuid()}); {ELSEWHERE}")
    return fd
