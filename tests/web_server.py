"""The web UI, or a host application with it inside, on a real socket."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn

from servers import wait_until

TIMEOUT = 10.0


@contextmanager
def serve_asgi(application: Any) -> Iterator[str]:
    """Serves it by uvicorn in a thread; yields `http://127.0.0.1:PORT`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, log_level="error", access_log=False, proxy_headers=False, lifespan="auto")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web under test", daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), TIMEOUT, "uvicorn")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)
            assert not thread.is_alive()


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a test reads answers, not logs."""


@contextmanager
def serve_wsgi(application: Any) -> Iterator[str]:
    """Serves it by wsgiref in a thread."""

    class Threaded(WSGIServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            raise

    server = make_server("127.0.0.1", 0, application, server_class=Threaded, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that this answer sets."""
        for header in self.headers.get_all("set-cookie", []):
            key, _, value = header.partition(";")[0].partition("=")
            if key == name:
                return value
        return None


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | list[tuple[str, str]] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own, sent as it is: no redirect is followed, no header made up but Host's."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    sent = dict(headers or {})
    if form is not None:
        body = urlencode(form).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def post(url: str, form: Mapping[str, str] | list[tuple[str, str]] | None = None, **headers: str) -> Answer:
    """A form posted from a page of our own, as browsers do it."""
    sent = {"Sec-Fetch-Site": "same-origin", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask(url, method="POST", headers=sent, form=form or {})


Start = Callable[..., str]


def a_view() -> Any:
    """A view of no request in particular, in English."""
    from starlette.requests import Request

    from fastkiq import Config
    from fastkiq.web.locale import choose
    from fastkiq.web.security.credentials import Credentials
    from fastkiq.web.security.hosts import HostList
    from fastkiq.web.site import Site
    from fastkiq.web.view import View

    site = Site(Config(), None, HostList(), Credentials(), secret=b"0" * 32)
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": None}
    return View(site, Request(scope), "", "/", choose("en", ""), "auto", "nonce", False)
