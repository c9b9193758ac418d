"""The floors' own process, on the interpreter of the timed sides: needs hiredis and orjson, and nothing of fastkiq.

    python floor_child.py drain PORT QUEUE JOBS     one thread: Lua RPOP of 100, orjson.loads, the call
    python floor_child.py brpop PORT QUEUE JOBS     the same with one BRPOP a job
    python floor_child.py push PORT QUEUE JOBS      payloads prepared beforehand, 1,000 an LPUSH

Prints one JSON object: seconds, jobs.
"""

import json
import socket
import sys
import time
from itertools import count
from typing import Any

import hiredis  # type: ignore[import-not-found, unused-ignore]
import orjson  # type: ignore[import-not-found, unused-ignore]

MANY = 1 << 62
_step = count(2).__next__

POP = b"return redis.call('RPOP', KEYS[1], 100) or {}"


class Line:
    """A bare connection, one request and one answer at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()

    def ask(self, request: bytes) -> Any:
        self.socket.sendall(request)
        while (answer := self.reader.gets()) is False:
            self.reader.feed(self.socket.recv(1 << 18))
        return answer


class NoOp:
    """Counts itself, as the no-op job of benches/goals does: the body is the same on both sides."""

    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        if _step() % MANY < 2:
            print("more jobs than anybody asked for", file=sys.stderr)


def request(*words: bytes) -> bytes:
    return bytes(hiredis.pack_command(words))


def drain(line: Line, queue: bytes, jobs: int) -> float:
    sha = line.ask(request(b"SCRIPT", b"LOAD", POP))
    pop = request(b"EVALSHA", sha, b"1", queue)
    loads, workers = orjson.loads, {"jobs.NoOp": NoOp}
    left = jobs
    began = time.perf_counter()
    while left > 0:
        for payload in line.ask(pop):
            job = loads(payload)
            workers[job["class"]]().perform(*job["args"])
            left -= 1
    return time.perf_counter() - began


def brpop(line: Line, queue: bytes, jobs: int) -> float:
    pop = request(b"BRPOP", queue, b"1")
    loads, workers = orjson.loads, {"jobs.NoOp": NoOp}
    began = time.perf_counter()
    for _ in range(jobs):
        job = loads(line.ask(pop)[1])
        workers[job["class"]]().perform(*job["args"])
    return time.perf_counter() - began


def push(line: Line, queue: bytes, jobs: int) -> float:
    batch = 1_000
    prepared = [
        request(b"LPUSH", queue, *(payload(number) for number in range(start, min(start + batch, jobs))))
        for start in range(0, jobs, batch)
    ]
    began = time.perf_counter()
    for each in prepared:
        line.ask(each)
    return time.perf_counter() - began


def payload(number: int) -> bytes:
    """A job of 180 bytes as Sidekiq and fastkiq store it."""
    return (
        b'{"retry":true,"queue":"default","args":["string",%d,{"mike":"bob"}],"class":"jobs.NoOp",'
        b'"jid":"%024x","created_at":1700000000000,"enqueued_at":1700000000000}' % (number, number)
    )


def main() -> None:
    what, port, queue, jobs = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4])
    seconds = {"drain": drain, "brpop": brpop, "push": push}[what](Line(port), queue, jobs)
    print(json.dumps({"seconds": seconds, "jobs": jobs}))


if __name__ == "__main__":
    main()
