"""The outermost of our layers: makes the request's `View`, and sees that every request gets an answer."""

import logging
import secrets
from typing import Final, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastkiq.web import failures
from fastkiq.web.locale import choose
from fastkiq.web.site import Site
from fastkiq.web.view import THEMES, View, enter

LOGGER: Final = logging.getLogger("fastkiq.web")
LANGUAGE_COOKIE: Final = "fastkiq_language"
THEME_COOKIE: Final = "fastkiq_theme"


class Entry:
    """HTTP goes on with a view; lifespan goes on as it is; anything else is turned away."""

    def __init__(self, app: ASGIApp, lifespan: ASGIApp, site: Site) -> None:
        self.app = app
        self.lifespan = lifespan
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope, root, path = _placed(scope, self.site.prefix)
        enter(_view(self.site, Request(scope, receive), root, path))
        await self.app(scope, receive, send)


class Failures:
    """What a page raises becomes an answer: what it asked for, what Redis said, or 500 and a traceback in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            response = failures.answer_to(error, scope)
            if started:
                raise  # half an answer is out; the server must break the connection off
            await response(scope, receive, send)


def _placed(scope: Scope, prefix: str) -> tuple[Scope, str, str]:
    """The scope with `path` below `root_path`, as ASGI has it, whatever the server or the proxy has made of them."""
    root = cast(str, scope.get("root_path", "")).rstrip("/") or prefix
    path = cast(str, scope["path"])
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    path = "/" + path.lstrip("/")
    return {**scope, "root_path": root, "path": root + path}, root, path


def _view(site: Site, request: Request, root: str, path: str) -> View:
    theme = request.cookies.get(THEME_COOKIE, "")
    return View(
        site=site,
        request=request,
        root=root,
        path=path,
        locale=choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")),
        theme=theme if theme in THEMES else "auto",
        nonce=secrets.token_urlsafe(16),
        read_only=site.read_only,
    )
