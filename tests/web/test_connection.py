"""Clients that neither ask nor take the answer keep nobody else out."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection

import pytest
import uvicorn

from fastkiq.web import app
from fastkiq.web.connection import Connection
from servers import wait_until
from web_server import TIMEOUT, ask


@contextmanager
def serving(redis_url: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = uvicorn.Config(app(redis_url=redis_url), http=Connection, log_level="error", limit_concurrency=5)
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, TIMEOUT, "uvicorn")
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: local", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"]
)
def test_who_does_not_ask_is_hung_up_on(redis_url: str, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr("fastkiq.web.connection.PATIENCE", 0.5)
    with serving(redis_url) as port, ExitStack() as stack:
        connect = (socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) for _ in range(4))
        lines = [stack.enter_context(line) for line in connect]
        for line in lines:
            line.sendall(sent)
        wait_until(lambda: ask(f"http://127.0.0.1:{port}/favicon.ico").status == 200, TIMEOUT, "room for others")
        for line in lines:
            while line.recv(1_000):  # until the server has hung up
                pass


def test_who_asks_again_and_again_is_served(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastkiq.web.connection.PATIENCE", 0.5)
    with serving(redis_url) as port, closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as line:
        line.connect()
        first = line.sock
        for _ in range(12):
            line.request("GET", "/favicon.ico")
            answer = line.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            assert line.sock is first, "still the same connection"
            time.sleep(0.1)
