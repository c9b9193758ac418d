"""What a request may be: its method, its body. The body is read here, whole, so that pages need not wait for it."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq.web.errors import Refused, answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import View, current

METHODS: Final = ("GET", "HEAD", "POST")
MAX_BODY: Final = 1_048_576
"""Bytes."""
MAX_FIELDS: Final = 1_000
MAX_QUERY: Final = 8_192
"""Bytes of a query string."""
BODY_TIMEOUT: Final = 30.0
"""Seconds until a body must have come."""
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


class Limits:
    """Refuses what is too large, too slow or of another kind. Fills `view.body`, and `view.form` from a form's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = current()
        try:
            _check_request(view)
            view.body = await _read(view, receive)
            view.form = _parse(view)
        except Refused as refused:
            # Whatever is left of the body is not read: the connection ends with the answer, unless WSGI sees to that.
            headers = refused.headers if "wsgi_environ" in scope else {**refused.headers, "connection": "close"}
            await answer(refused.status, refused.text, headers)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _check_request(view: View) -> None:
    request = view.request
    if request.method not in METHODS:
        raise Refused(405, _("Only GET, HEAD and POST are known here."), allow=", ".join(METHODS))
    if len(request.scope.get("query_string", b"")) > MAX_QUERY:
        raise Refused(400, _("The query must have at most %(most)s bytes.", most=view.locale.number(MAX_QUERY)))
    announced = request.headers.get("content-length") or "0"  # some WSGI servers make it empty
    if not (announced.isascii() and announced.isdecimal()) or len(announced) > 18:
        raise Refused(400, _("Content-Length must be a whole number."))
    if int(announced) > MAX_BODY:
        raise _too_large(view)


async def _read(view: View, receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, _("The request broke off."))
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                more = message.get("more_body", False)
                if size > MAX_BODY:
                    raise _too_large(view)
    except TimeoutError:
        most = view.locale.number(BODY_TIMEOUT, 0)
        raise Refused(408, _("A request must be complete within %(most)s seconds.", most=most)) from None
    return b"".join(parts)


def _parse(view: View) -> list[tuple[str, str]]:
    if not view.body:
        return []
    kind = view.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return []
    if kind != FORM:
        raise Refused(415, _("Content of the kinds %(kinds)s is taken, nothing else.", kinds=f"{FORM}, {JSON}"))
    try:
        return parse_qsl(
            view.body.decode("ascii"),  # browsers escape everything else
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except UnicodeDecodeError:
        raise Refused(400, _("The form is not in UTF-8.")) from None
    except ValueError:
        most = view.locale.number(MAX_FIELDS)
        raise Refused(400, _("A form must have at most %(most)s fields.", most=most)) from None


def _too_large(view: View) -> Refused:
    return Refused(413, _("A request must have at most %(most)s bytes.", most=view.locale.number(MAX_BODY)))
