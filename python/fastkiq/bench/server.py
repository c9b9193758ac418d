"""A Redis or Valkey of the measurement's own: on the loopback, without persistence, gone with it.

    python -m fastkiq.bench.server FOLDER

is the guardian between the two: it prints the server's port, and when its standard input ends it ends the server and
removes the folder.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from fastkiq.bench.errors import BenchError
from fastkiq.bench.helper import Helper
from fastkiq.errors import ConfigError

_START: Final = 10.0  # seconds
_ATTEMPTS: Final = 5


class PrivateServer:
    """Runs for as long as a `with` block lasts; `url` is where. Raises BenchError when it does not start."""

    def __init__(self) -> None:
        self.url = ""
        self._folder = tempfile.TemporaryDirectory(prefix="fastkiq-bench-", ignore_cleanup_errors=True)
        self._helper = Helper("fastkiq.bench.server", [self._folder.name], "a private server")

    def __enter__(self) -> Self:
        try:
            self._helper.__enter__()
        except OSError as error:
            said = _tail(Path(self._folder.name, "log"))
            self._folder.cleanup()
            raise BenchError(f"{error}{f': {said}' if said else ''}") from None
        self.url = f"redis://127.0.0.1:{int(self._helper.greeting)}/0"
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.__exit__()
        self._folder.cleanup()


def binary() -> Path | None:
    """`redis-server` or `valkey-server` of the PATH, else the one that the `embedded` extra brought, else None."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        from fastkiq.embedded import server_binary

        return server_binary()
    except ConfigError:
        return None


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return ""


def _guard(folder: Path) -> int:
    executable = binary()
    if executable is None:
        return 1
    with (folder / "log").open("ab") as log:
        for _ in range(_ATTEMPTS):
            port = _free_port()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            server = subprocess.Popen(
                [executable, *options, "--dir", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            if _listens(server, port):
                sys.stdout.write(f"{port}\n")
                sys.stdout.flush()
                sys.stdin.read()
                server.send_signal(signal.SIGKILL)  # it keeps nothing, and has no need to say good-bye
                server.wait()
                shutil.rmtree(folder, ignore_errors=True)
                return 0
            server.kill()
            server.wait()
    return 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(server: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether it does, within some seconds. Somebody else on the port makes the server end, which is noticed."""
    deadline = time.monotonic() + _START
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as line:
                line.sendall(b"PING\r\n")
                if line.recv(64).startswith(b"+PONG"):
                    return server.poll() is None
        except OSError:
            time.sleep(0.01)
    return False


if __name__ == "__main__":
    code = _guard(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)
