"""The process that owns one embedded server and its folder.

Started by `fastkiq.embedded` as a plain script with `-I -S`: it imports the standard library only, so that it starts in
some 20 ms and nothing in the user's folder or environment can change what it is. Its duties:

- hold `fastkiq.lock` (flock) for its whole life: one supervisor a folder;
- run valkey-server on a Unix socket with an append-only file, start it again when it dies, end with it on SIGTERM;
- sync the append-only file once a second;
- shut the server down when nobody has been connected for `linger` seconds.

The server inherits a lock of its own (`server.lock`), which the kernel frees with its last process. A successor waits
for it, so two servers never write one folder, whoever was killed in whichever order.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SUPERVISOR_LOCK = "fastkiq.lock"
SERVER_LOCK = "server.lock"
GATE = "gate"
ADDRESS = "address"
SOCKET = "valkey.sock"
AOF_FOLDER = "appendonlydir"
PR_SET_PDEATHSIG = 1
STOP_SECONDS = 30.0
TAKEOVER_SECONDS = 20.0
QUICK_DEATHS = 3  # this many deaths, each within QUICK_SECONDS of its start, and the supervisor gives up
QUICK_SECONDS = 2.0


class Link:
    """A connection that speaks just enough of Redis's protocol: one command, one status, error, number or string."""

    def __init__(self, path: str, timeout: float | None = 5.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._reader = self._socket.makefile("rb")

    def ask(self, *words: str) -> str:
        """The reply as text; an error reply keeps its leading `-`. Raises OSError when the connection is gone."""
        parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
        self._socket.sendall("".join(parts).encode())
        head = self._reader.readline().decode("utf-8", "replace")
        if not head.endswith("\r\n"):
            raise ConnectionResetError("the server closed the connection")
        if not head.startswith("$"):
            return head.rstrip() if head.startswith("-") else head[1:].rstrip()
        size = int(head[1:]) + 2
        body = self._reader.read(size)
        if len(body) != size:
            raise ConnectionResetError("the server closed the connection")
        return body[:-2].decode("utf-8", "replace")

    def wait_closed(self) -> None:
        """Returns when the server has closed this connection, whatever the reason."""
        with contextlib.suppress(OSError):
            while self._socket.recv(4096):
                continue

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def take_lock(fd: int, kind: int, deadline: float) -> bool:
    """flock with a deadline (`time.monotonic`); False when it passed."""
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def open_private(name: str, flags: int, dir_fd: int | None = None) -> int:
    """Opens (creating it, 0600) a file of the folder; never through a symbolic link."""
    return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)


class Supervisor:
    """One life of the supervisor: take the folder, serve until idle or told to end, leave."""

    def __init__(self, binary: str, socket_path: str, linger: float, ready_fd: int) -> None:
        self._binary = binary
        self._socket_path = socket_path
        self._linger = linger
        self._tick = min(1.0, linger / 5)
        self._ready_fd: int | None = ready_fd
        self._told_to_end = False
        self._server: subprocess.Popen[bytes] | None = None
        self._link: Link | None = None
        self._synced: dict[str, int] = {}
        self._die_with_me = _death_signal()
        self._wake_r, self._wake_w = os.pipe()

    def run(self) -> int:
        """The exit code: 0 after a clean end."""
        self._listen_to_signals()
        lock = open_private(SUPERVISOR_LOCK, os.O_RDWR)
        # A starter that looks whether the folder is owned holds this lock for an instant: not taken for an owner.
        if not take_lock(lock, fcntl.LOCK_EX, time.monotonic() + 0.5):
            self._report("busy")
            return 0
        _write(lock, f"{os.getpid()}\n")
        quick_deaths = 0
        while True:
            started = time.monotonic()
            trouble = self._start_server()
            if trouble is None:
                self._publish()
                self._report("ready")
                trouble = self._serve()
                if trouble is None:
                    return 0
            self._drop_link()
            quick_deaths = quick_deaths + 1 if time.monotonic() - started < QUICK_SECONDS else 1
            say(trouble)
            if self._ready_fd is not None or quick_deaths >= QUICK_DEATHS or self._told_to_end:
                self._report(trouble)
                return 1

    def fail(self, reason: str) -> None:
        """After an error in the supervisor itself: no server is left behind unowned."""
        self._stop_server()
        self._report(reason)

    def _listen_to_signals(self) -> None:
        os.set_blocking(self._wake_w, False)
        os.set_blocking(self._wake_r, False)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the wait
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)

    def _end(self, *_: object) -> None:
        self._told_to_end = True

    def _report(self, text: str) -> None:
        """The one answer to the starter: `ready`, `busy`, or what went wrong."""
        if self._ready_fd is None:
            return
        with contextlib.suppress(OSError):  # the starter may have been killed: nobody wants the answer then
            os.write(self._ready_fd, text.encode("utf-8", "replace")[:4000])
        os.close(self._ready_fd)
        self._ready_fd = None

    def _start_server(self) -> str | None:
        """Runs valkey-server until it answers; None, or what went wrong."""
        lock = open_private(SERVER_LOCK, os.O_RDWR)
        try:
            if not self._replace_orphan(lock):
                return "an earlier server still runs in this folder and does not end; see server.lock for its pid"
            try:
                self._server = subprocess.Popen(
                    [self._binary, *server_options(self._socket_path)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(lock,),
                    preexec_fn=self._die_with_me,  # safe here: this process has a single thread
                    restore_signals=False,  # SIGXFSZ stays ignored: a file size limit is then an error, not a death
                )
            except OSError as error:
                return (
                    f"cannot run {self._binary} ({error.strerror}); it needs Linux with glibc 2.28 or newer, or macOS"
                )
            _write(lock, f"{self._server.pid}\n")
        finally:
            os.close(lock)  # the server has inherited it
        return self._await_answer()

    def _replace_orphan(self, lock: int) -> bool:
        """Waits until no server is left from a supervisor that was killed; asks it to shut down if it still listens."""
        if take_lock(lock, fcntl.LOCK_EX, time.monotonic()):
            return True
        with contextlib.suppress(OSError):  # no reply to a SHUTDOWN that works
            _orphan_link(self._socket_path).ask("SHUTDOWN")
        return take_lock(lock, fcntl.LOCK_EX, time.monotonic() + TAKEOVER_SECONDS)

    def _await_answer(self) -> str | None:
        """However long it loads: a dead server is noticed, a slow one waited for."""
        while not self._told_to_end:
            if (code := self._exit_code()) is not None:
                return f"valkey-server ended with code {code} at its start: {_last_log_line()}"
            with contextlib.suppress(OSError):
                self._link = self._link or Link(self._socket_path)
                if not self._link.ask("PING").startswith("-LOADING"):
                    return None
            self._pause(0.005)
        self._stop_server()
        return "told to end while the server was starting"

    def _serve(self) -> str | None:
        """Until the server died (answers what happened) or has been shut down (None)."""
        quiet_since = time.monotonic()
        seen = ""
        while True:
            if (code := self._exit_code()) is not None:
                return f"valkey-server died (code {code}); starting it again"
            if self._told_to_end:
                self._stop_server()
                return None
            self._sync()
            alone, connections = self._clients()
            if not alone or connections != seen:
                quiet_since, seen = time.monotonic(), connections
            elif time.monotonic() - quiet_since >= self._linger and self._close_unless_wanted(seen):
                return None
            self._pause(self._tick)

    def _clients(self) -> tuple[bool, str]:
        """(Whether only this process is connected and all is written, how many connections there have ever been)."""
        try:
            link = self._link = self._link or Link(self._socket_path)
            facts = dict(
                line.split(":", 1)
                for line in link.ask("INFO", "clients", "stats", "persistence").splitlines()
                if ":" in line
            )
        except OSError:
            self._drop_link()
            return False, ""
        # A full disk leaves acknowledged writes in the server's memory; it tries again each second, so let it live.
        written = facts.get("aof_last_write_status") != "err"
        return facts.get("connected_clients") == "1" and written, facts.get("total_connections_received", "")

    def _close_unless_wanted(self, seen: str) -> bool:
        """Shuts down unless somebody is arriving. Who arrives holds the gate shared while it looks at the server, so
        none can see it alive and find it gone a moment later."""
        gate = open_private(GATE, os.O_RDWR)
        if not take_lock(gate, fcntl.LOCK_EX, time.monotonic()) or self._clients() != (True, seen):
            os.close(gate)
            return False
        self._stop_server()
        say(f"nobody connected for {self._linger:g} s: server shut down")
        return True  # the gate stays closed until this process has gone

    def _stop_server(self) -> None:
        """A clean shutdown: valkey-server writes and syncs its file on SIGTERM."""
        server = self._server
        if server is None:
            return
        self._drop_link()
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say("valkey-server does not end: killed (what it acknowledged is in its file)")
            server.kill()
            server.wait()

    def _sync(self) -> None:
        """fsync where the append-only file has grown; bounds what a power cut can take to about a second.

        Done here and not by `appendfsync everysec`: with that the server holds its writes back while a sync runs,
        up to 2 s, and answers meanwhile, so that killing it then would lose what it had acknowledged.
        """
        with contextlib.suppress(OSError):  # a file that a rewrite just replaced; the next tick sees the new one
            for entry in os.scandir(AOF_FOLDER):
                size = entry.stat(follow_symlinks=False).st_size
                if self._synced.get(entry.name) == size or not entry.name.endswith(".aof"):
                    continue
                fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
                self._synced[entry.name] = size

    def _publish(self) -> None:
        """Where the server listens, for those whose environment would choose another place."""
        fresh = f"{ADDRESS}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        fd = open_private(fresh, os.O_WRONLY | os.O_EXCL)
        os.write(fd, os.fsencode(self._socket_path))
        os.close(fd)
        os.rename(fresh, ADDRESS)

    def _exit_code(self) -> int | None:
        return None if self._server is None else self._server.poll()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _pause(self, seconds: float) -> None:
        if select.select([self._wake_r], [], [], seconds)[0]:
            os.read(self._wake_r, 512)


def server_options(socket_path: str) -> list[str]:
    """No network, no snapshots, nothing evicted; every write is in the file (page cache) before its reply leaves."""
    options = {
        "port": "0",
        "unixsocket": socket_path,
        "unixsocketperm": "600",
        "protected-mode": "yes",
        "dir": ".",
        "appendonly": "yes",
        "appendfsync": "no",  # see Supervisor._sync
        "appenddirname": AOF_FOLDER,
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def say(text: str) -> None:
    """One line in the folder's log."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} supervisor {os.getpid()}: {text}\n")
    sys.stderr.flush()


def _write(fd: int, text: str) -> None:
    """For people who read the lock files; the locks themselves are flocks and never stale."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)


def _orphan_link(fallback: str) -> Link:
    """To where the earlier server said it listens."""
    try:
        path = os.fsdecode(Path(ADDRESS).read_bytes())
    except OSError:
        path = fallback
    return Link(path)


def _last_log_line() -> str:
    """Why the server did not start: its own last words."""
    with contextlib.suppress(OSError):
        lines = Path("log").read_bytes()[-4000:].decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if " # " in line and "WARNING" not in line] or lines
        if telling:
            return telling[-1].split(" # ", 1)[-1].strip()
    return "it left no log"


def _death_signal() -> Callable[[], None] | None:
    """On Linux, what the server's process does first: ask for a SIGTERM when this process dies. Elsewhere None: there a
    server whose supervisor was killed lives until the next start in this folder replaces it."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request
            os._exit(1)

    return ask


def main(arguments: list[str]) -> int:
    """FOLDER_FD READY_FD BINARY SOCKET LINGER. Forks once more, so that the starter has no child left to reap."""
    folder_fd, ready_fd, binary, socket_path, linger = arguments
    os.fchdir(int(folder_fd))
    if os.fork():
        os._exit(0)
    os.close(int(folder_fd))
    os.set_inheritable(int(ready_fd), False)
    os.umask(0o077)
    supervisor = Supervisor(binary, socket_path, float(linger), int(ready_fd))
    try:
        return supervisor.run()
    except BaseException as error:
        supervisor.fail(f"{error}")
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
