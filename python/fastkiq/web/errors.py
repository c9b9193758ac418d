"""Answers that are no pages: what went wrong, and what to do about it."""

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import HTMLResponse, Response

from fastkiq.web.i18n import gettext as _
from fastkiq.web.rendering import TEMPLATES
from fastkiq.web.view import current


class Refused(Exception):
    """Ends a request with this status and text. The text is shown: it says what is allowed, or what to do."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class BadRequest(Refused):
    """400: a parameter that is none."""

    def __init__(self, text: str) -> None:
        super().__init__(400, text)


class NotFound(Refused):
    """404. Jobs come and go: a page for one that is gone is no fault."""

    def __init__(self, text: str | None = None) -> None:
        super().__init__(404, text or _("There is nothing here. It may have been here a moment ago."))


def titles() -> dict[int, str]:
    """What each status is called."""
    return {
        400: _("Bad request"),
        401: _("Sign-in needed"),
        403: _("Not allowed"),
        404: _("Not found"),
        405: _("Method not allowed"),
        408: _("Took too long"),
        413: _("Too large"),
        415: _("Unsupported content"),
        500: _("Something went wrong"),
        503: _("Redis does not answer"),
        507: _("Redis is full"),
    }


def answer(status: int, text: str, headers: dict[str, str] | None = None, *, bare: bool = False) -> Response:
    """An error as HTML, or JSON where programs ask. `bare` has no navigation: for those who are not let in."""
    view = current()
    title = titles().get(status) or HTTPStatus(status).phrase
    if view.wants_json:
        document: dict[str, Any] = {"error": text, "status": status}
        return Response(json.dumps(document), status, headers, "application/json")  # in ASCII, as `json_body.answered`
    page = TEMPLATES.get_template("error.html")
    return HTMLResponse(page.render(status=status, title=title, text=text, bare=bare), status, headers)
