"""Language and look, kept in cookies, so that the server knows them before the first byte.

A GET: nothing but the browser's own cookies changes, and who may only read may choose them too.
"""

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fastkiq.web.cookies import keep
from fastkiq.web.entry import LANGUAGE_COOKIE, THEME_COOKIE
from fastkiq.web.locale import locales
from fastkiq.web.query import bounded_text, choice
from fastkiq.web.view import THEMES, current

_YEAR: Final = 365 * 86_400


def preferences(request: Request) -> Response:
    """Sets what is given, and goes back to the page of the footer it came from."""
    view = current()
    # Only a path of ours: a URL of another place would make us a signpost for phishers.
    path, mark, query = bounded_text(request, "back", "/").partition("?")
    back = view.url("/" + path.lstrip("/\\")) + mark + quote(query, safe="=&%+-._~")
    response = RedirectResponse(back, 303)
    if "theme" in request.query_params:
        keep(view, response, THEME_COOKIE, choice(request, "theme", THEMES), _YEAR)
    if "language" in request.query_params:
        keep(view, response, LANGUAGE_COOKIE, choice(request, "language", tuple(locales())), _YEAR)
    return response


routes: Final[list[BaseRoute]] = [Route("/preferences", preferences)]
