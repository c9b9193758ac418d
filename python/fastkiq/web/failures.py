"""What a page raised, as an answer."""

import logging
from typing import Any, Final

import redis
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from fastkiq.errors import FastkiqError
from fastkiq.printable import printable
from fastkiq.web.errors import Refused, answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

LOGGER: Final = logging.getLogger("fastkiq.web")


def answer_to(error: Exception, scope: Scope) -> Response:
    """The answer; what is nobody's mistake but ours, or Redis's, is in the log as well."""
    if isinstance(error, Refused):
        return answer(error.status, error.text, error.headers)
    if isinstance(error, redis.RedisError):
        status, text = of_redis(error)
        LOGGER.warning("%s %s: %s", scope["method"], printable(scope["path"], 200), printable(error, 500))
        return answer(status, text)
    if isinstance(error, FastkiqError):
        LOGGER.warning("%s %s: %s", scope["method"], printable(scope["path"], 200), printable(error, 500))
        return answer(503, printable(error, 500))
    LOGGER.error("%s %s failed", scope["method"], printable(scope["path"], 200), exc_info=error)
    return answer(500, _("The log of this server has the traceback."))


def of_the_router(request: Request, error: Exception) -> Response:
    """What Starlette's router raises: no such page, no such method."""
    assert isinstance(error, HTTPException)
    scope, path = request.scope, current().path
    if error.status_code == 404 and scope["method"] in ("GET", "HEAD") and path.endswith("/") and path.strip("/"):
        return RedirectResponse(current().url("/" + path.strip("/")), 307)
    headers: Any = error.headers
    if error.status_code == 404:
        return answer(404, _("There is no such page."), headers)
    if error.status_code == 405:
        return answer(405, _("This address does not take %(method)s.", method=scope["method"]), headers)
    return answer(error.status_code, printable(error.detail, 500), headers)


def of_redis(error: redis.RedisError) -> tuple[int, str]:
    """Status and text: what it said, and what to do about it."""
    said = printable(error, 300)
    if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError):
        return 503, _(
            "Redis refuses the user name or password: the URL needs the right ones. It said: %(said)s", said=said
        )
    if isinstance(error, redis.ReadOnlyError):
        return 503, _("This Redis is a replica and takes no writes: give the URL of the primary.")
    if said.startswith(("OOM", "command not allowed when used memory")):
        return 507, _("Redis has no memory left and refused to write: raise maxmemory, or delete what nobody needs.")
    if isinstance(error, redis.BusyLoadingError) or said.startswith(("LOADING", "BUSY", "MASTERDOWN")):
        return 503, _("Redis is busy and answers nobody now. It said: %(said)s", said=said)
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        where = printable(current().site.safe_url, 200)
        return 503, _(
            "Is Redis running at %(where)s, and can this machine reach it? Error: %(said)s", where=where, said=said
        )
    return 503, _("Redis did not do what was asked. It said: %(said)s", said=said)
