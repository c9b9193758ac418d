"""Messages that the next page shows: after a form has been posted, the browser is sent on.

They travel in a cookie. It is not signed, since a message is plain text that is escaped where it is shown: whoever
could write the cookie could as well write the page.
"""

import json
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from starlette.responses import RedirectResponse, Response

from fastkiq.web.cookies import forget, keep
from fastkiq.web.view import View, current

Kind = Literal["ok", "warning", "error"]
COOKIE: Final = "fastkiq_flash"
LIVE: Final = "x-fastkiq-live"
"""Header of the requests by which pages keep themselves fresh: they take no message away."""
_LONGEST: Final = 500


def see_other(path: str, message: str = "", kind: Kind = "ok") -> Response:
    """303 to a URL of ours, as `url()` and `here()` make them, where the message is shown."""
    response = RedirectResponse(path, 303)
    if message:
        text = quote(json.dumps([kind, message[:_LONGEST]], ensure_ascii=False))
        keep(current(), response, COOKIE, text, seconds=60)
    return response


def take(view: View) -> list[tuple[str, str]]:
    """What waits for this page: (kind, text)."""
    text = view.request.cookies.get(COOKIE)
    if not text or LIVE in view.request.headers:
        return []
    try:
        found: Any = json.loads(unquote(text[:4_000]))
    except (ValueError, RecursionError):
        return []
    if not (isinstance(found, list) and len(found) == 2 and all(isinstance(each, str) for each in found)):
        return []
    return [(found[0] if found[0] in ("ok", "warning", "error") else "ok", found[1][:_LONGEST])]


def clear(view: View, response: Response) -> None:
    """It has been shown."""
    forget(view, response, COOKIE)
