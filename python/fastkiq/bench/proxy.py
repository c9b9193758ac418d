"""A proxy before a server that makes every round trip longer, in a process of its own.

    python -m fastkiq.bench.proxy --to HOST:PORT --delay MS

Each chunk is passed on half the delay after it came, whatever else is under way: the delay bounds no throughput.
Opening a connection is not delayed.
"""

import argparse
import contextlib
import os
import select
import selectors
import socket
import sys
from collections import deque
from time import monotonic
from typing import Final, Self

from fastkiq.bench.helper import Helper

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""

CHUNK: Final = 256 * 1024
MOST_HELD: Final = 64 * 1024 * 1024
"""Bytes of one direction that may be on their way; beyond, the sender is made to wait."""
_CONNECT: Final = 5.0  # seconds


class Proxy:
    """The proxy as a child process, for as long as a `with` block lasts; `port` is its port on 127.0.0.1.

    `delay_ms`: milliseconds that it adds to a round trip. Raises OSError when it does not come up.
    """

    def __init__(self, to: Address, delay_ms: float = 0.0) -> None:
        self.to, self.delay_ms = to, delay_ms
        self.port = 0
        where = to if isinstance(to, str) else f"{to[0]}:{to[1]}"
        words = ["--to", where, "--delay", str(delay_ms), "--until-eof"]
        self._helper = Helper("fastkiq.bench.proxy", words, f"the proxy before {where}")

    def __enter__(self) -> Self:
        self._helper.__enter__()
        self.port = int(self._helper.greeting.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.__exit__()

    @property
    def pid(self) -> int:
        """Of the child, to count its CPU time apart."""
        return self._helper.pid


class Relay:
    """Accepts, connects and passes on; one thread, one selector, one queue of what is on its way."""

    def __init__(self, to: Address, delay: float, port: int = 0) -> None:
        """`delay`: seconds a round trip. Port 0: any that is free."""
        self._to = to
        self._one_way = delay / 2
        self._under_way: deque[tuple[float, _End, bytes]] = deque()  # in the order in which they fall due
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port = int(self._listener.getsockname()[1])

    def run(self, parent: int | None = None) -> None:
        """Until the descriptor `parent` can be read, which is to say: has ended."""
        if parent is not None:
            self._selector.register(parent, selectors.EVENT_READ, data=parent)
        while True:
            timeout = max(0.0, self._under_way[0][0] - monotonic()) if self._under_way else None
            # epoll counts in whole milliseconds, select() in microseconds, and an epoll is a file to it.
            select.select([self._selector], [], [], timeout)
            self._deliver()
            for key, events in self._selector.select(0):
                if key.data is None:
                    self._accept()
                elif not isinstance(key.data, _End):
                    return
                else:
                    if events & selectors.EVENT_WRITE:
                        self._flush(key.data)
                    if events & selectors.EVENT_READ:
                        self._read(key.data)

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        try:
            far = _connect(self._to)
        except OSError:
            near.close()
            return
        ends = _End(near), _End(far)
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        for end in ends:
            end.socket.setblocking(False)
            if end.socket.family != socket.AF_UNIX:
                end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._watch(end)

    def _read(self, end: "_End") -> None:
        if end.closed or not end.events & selectors.EVENT_READ:
            return
        try:
            data = end.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._close(end)
            return
        end.held += len(data)
        end.ended = not data
        self._watch(end)
        if self._one_way:
            self._under_way.append((monotonic() + self._one_way, end.peer, data))
        else:
            self._pass_on(end.peer, data)

    def _deliver(self) -> None:
        now = monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, end, data = self._under_way.popleft()
            self._pass_on(end, data)

    def _pass_on(self, end: "_End", data: bytes) -> None:
        if end.closed:
            return
        end.outgoing.append(memoryview(data))
        if len(end.outgoing) == 1:
            self._flush(end)

    def _flush(self, end: "_End") -> None:
        """Sends what may be sent; an empty chunk is the end of this direction."""
        if end.closed:
            return
        try:
            while end.outgoing:
                data = end.outgoing[0]
                if not data:
                    end.socket.shutdown(socket.SHUT_WR)
                    end.outgoing.clear()
                    end.finished = True
                    break
                sent = end.socket.send(data)
                end.peer.held -= sent
                if sent < len(data):
                    end.outgoing[0] = data[sent:]
                    break
                end.outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._close(end)
            return
        if end.finished and end.peer.finished:
            self._close(end)
            return
        self._watch(end)
        self._watch(end.peer)

    def _watch(self, end: "_End") -> None:
        """Asks the selector for what matters now."""
        reading = not end.ended and end.held <= MOST_HELD
        events = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if end.outgoing else 0)
        if events == end.events:
            return
        if not events:
            self._selector.unregister(end.socket)
        elif end.events:
            self._selector.modify(end.socket, events, data=end)
        else:
            self._selector.register(end.socket, events, data=end)
        end.events = events

    def _close(self, end: "_End") -> None:
        """Both ends at once; what is on its way between them is lost, as on a line that is cut."""
        for each in (end, end.peer):
            if not each.closed:
                each.closed = True
                if each.events:
                    self._selector.unregister(each.socket)
                each.socket.close()


class _End:
    """One socket of a pair, with what waits to be sent to it."""

    __slots__ = ("closed", "ended", "events", "finished", "held", "outgoing", "peer", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.peer: _End = self
        self.outgoing: deque[memoryview] = deque()
        self.held = 0
        """Bytes that were read here and have not been sent by the peer."""
        self.events = 0
        self.ended = self.finished = self.closed = False


def _connect(to: Address) -> socket.socket:
    if not isinstance(to, str):
        return socket.create_connection(to, _CONNECT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_CONNECT)
    try:
        connection.connect(to)
    except OSError:
        connection.close()
        raise
    return connection


def _address(text: str) -> Address:
    if text.startswith(("/", "./")):
        return text
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is neither HOST:PORT nor the path of a socket")
    return host.strip("[]") or "127.0.0.1", int(port)


def main() -> None:
    """The command line; prints where it listens."""
    parser = argparse.ArgumentParser(prog="fastkiq.bench.proxy", description="Makes round trips to a server longer.")
    parser.add_argument("--to", type=_address, required=True, metavar="HOST:PORT", help="or the path of a unix socket")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MS", help="milliseconds that a round trip gains")
    parser.add_argument("--port", type=int, default=0, help="listen here (any free port)")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    if not 0 <= options.delay < 1e6:
        parser.error("--delay must be between 0 and 1e6 milliseconds")
    relay = Relay(options.to, options.delay / 1_000, options.port)
    sys.stdout.write(f"listening on 127.0.0.1:{relay.port}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        relay.run(sys.stdin.fileno() if options.until_eof else None)
    os._exit(0)  # nothing to tidy up that the system does not


if __name__ == "__main__":
    main()
