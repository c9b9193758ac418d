"""Changes only from our own pages: against requests that another site makes a browser send.

1. `Sec-Fetch-Site: same-origin`, which browsers set and no page can, is proof; any other value of it is refusal.
   `Origin` adds nothing to it, and behind a proxy that calls us by another name it would not fit.
2. Browsers send it to HTTPS and to loopback only. Without it, `Origin`, if there is one, must name our host, and the
   form must carry the token of its cookie (double submit). Tokens are signed, so that nobody can plant a pair of
   their own from a neighbouring name.
3. A bearer token is sent by no browser on its own: who has shown one needs neither. Passwords (HTTP Basic) are.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastkiq.web.cookies import keep
from fastkiq.web.errors import answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.security.form_token import COOKIE, FIELD, HEADER, LIFE, is_ours
from fastkiq.web.view import View, current


class ForgeryCheck:
    """Refuses changes that another site may have sent; hands out the cookie with pages that have a form."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = current()
        if scope["method"] not in ("GET", "HEAD"):
            problem = _problem(view)
            if problem is not None:
                await answer(403, problem)(scope, receive, send)
                return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and view.csrf_token:
                _keep_cookie(view, MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _problem(view: View) -> str | None:
    if view.by_token:
        return None
    sites = view.request.headers.getlist("sec-fetch-site")
    if sites:
        if sites == ["same-origin"]:
            return None
        return _("Changes are taken from this application's own pages only, and this came from elsewhere.")
    origin = view.request.headers.get("origin")
    if origin is not None and urlsplit(origin[:1_000]).netloc.lower() != view.request.headers.get("host", "").lower():
        return _("Changes are taken from this application's own pages only, and this came from elsewhere.")
    cookie = view.request.cookies.get(COOKIE, "")
    given = view.request.headers.get(HEADER) or next((value for name, value in view.form if name == FIELD), "")
    if is_ours(view, cookie) and hmac.compare_digest(given.encode(), cookie.encode()):
        return None
    return _(
        "The form has expired: go back, load the page anew and try again. Programs send a bearer token, or the header "
        "Sec-Fetch-Site: same-origin."
    )


def _keep_cookie(view: View, headers: MutableHeaders) -> None:
    carrier = Response()
    keep(view, carrier, COOKIE, view.csrf_token, LIFE)
    headers.append("set-cookie", carrier.headers["set-cookie"])
