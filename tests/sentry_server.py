"""What Sentry's own server would get: envelopes over HTTP on the loopback, taken apart."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sentry:
    """A DSN, and what has been sent to it."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://key@127.0.0.1:{port}/1"
        self._items: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        lines = body.split(b"\n")[1:]
        while lines and lines[0]:
            header, payload = json.loads(lines[0]), lines[1]
            with self._lock:
                self._items.append((header["type"], json.loads(payload)))
            lines = lines[2:]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """`event`, `transaction` or `check_in`, in the order of their arrival."""
        with self._lock:
            return [payload for found, payload in self._items if found == kind]


@contextmanager
def listening() -> Iterator[Sentry]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sentry.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sentry = Sentry(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield sentry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
