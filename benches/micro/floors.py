"""The least that Redis and one Python thread can do: what each benchmark is put in relation to."""

import socket
from collections.abc import Callable, Iterable
from typing import Any

import orjson

POP = b"local jobs = redis.call('RPOP', KEYS[1], 100) return jobs or {}"


def command(*words: bytes) -> bytes:
    """One command as Redis reads it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Line:
    """A bare connection. Its replies hold no CR LF of their own, so that splitting is parsing."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """The reply of a command that answers in one line."""
        self._socket.sendall(request)
        return self._socket.recv(65_536)

    def strings(self, request: bytes) -> list[bytes]:
        """The reply of a command that answers a list of strings."""
        reply = self.ask(request)
        lines = 1 + 2 * int(reply[1 : reply.index(b"\r\n")])
        while reply.count(b"\r\n") < lines:
            reply += self._socket.recv(262_144)
        return reply.split(b"\r\n")[2::2]

    def close(self) -> None:
        self._socket.close()


def drain(line: Line, queue: str, jobs: int, perform: Callable[..., Any]) -> None:
    """Takes `jobs` jobs and runs them: no claim, no ack, no retry, no counters."""
    pop = command(b"EVAL", POP, b"1", f"queue:{queue}".encode())
    left = jobs
    while left:
        payloads = line.strings(pop)
        for payload in payloads:
            perform(*orjson.loads(payload)["args"])
        left -= len(payloads)


def lpush(queue: str, payloads: Iterable[bytes]) -> bytes:
    """The command that pushes payloads which are there already."""
    return command(b"LPUSH", f"queue:{queue}".encode(), *payloads)
