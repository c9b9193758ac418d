"""For hosts that speak WSGI, and beside applications that mount nothing themselves."""

import os
from collections.abc import Callable, Iterable
from typing import Any, cast

from a2wsgi import ASGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq.web.application import app

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def wsgi_app(**options: Any) -> WSGIApp:
    """As `app()`, for WSGI: `DispatcherMiddleware(flask_app, {"/jobs": fastkiq.web.wsgi_app(...)})`."""
    return _InThisProcess(app(**options))


def mount(application: ASGIApp, prefix: str, **options: Any) -> ASGIApp:
    """An ASGI application with the web UI under `prefix`, for frameworks that mount no other (Django)."""
    web, root = app(**options), _checked(prefix)

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        outer = scope.get("root_path", "")
        below = path.removeprefix(outer) if outer else path
        if scope["type"] in ("http", "websocket") and (below == root or below.startswith(root + "/")):
            await web({**scope, "root_path": outer + root}, receive, send)
        else:
            await application(scope, receive, send)

    return mounted


def wsgi_mount(application: WSGIApp, prefix: str, **options: Any) -> WSGIApp:
    """As `mount()`, for WSGI."""
    web, root = wsgi_app(**options), _checked(prefix)

    def mounted(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == root or path.startswith(root + "/"):
            moved = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + root, "PATH_INFO": path[len(root) :]}
            return web({**environ, **moved}, start_response)
        return application(environ, start_response)

    return mounted


class _InThisProcess:
    """The bridge to ASGI runs a thread: one made before a fork (gunicorn --preload) would be missing in the child."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._bridge: tuple[int, WSGIApp] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            for name in ("SCRIPT_NAME", "PATH_INFO"):
                environ.get(name, "").encode("latin-1").decode("utf-8")
            environ.get("QUERY_STRING", "").encode("ascii")
        except UnicodeError:
            # The bridge would raise, and the host would call it a fault of its own.
            start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"The address is not in UTF-8.\n"]
        held = self._bridge
        if held is None or held[0] != os.getpid():
            bridge: Any = ASGIMiddleware(cast(Any, self._application))
            self._bridge = held = (os.getpid(), bridge)
        return held[1](environ, start_response)


def _checked(prefix: str) -> str:
    root = prefix.rstrip("/")
    if not root.startswith("/"):
        raise ValueError(f"prefix must be a path such as /jobs, not {prefix!r}")
    return root
