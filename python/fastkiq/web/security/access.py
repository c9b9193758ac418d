"""Who asks, and may they?"""

import inspect
import logging
from dataclasses import dataclass
from typing import Final, cast

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq.printable import printable
from fastkiq.web.errors import Refused, answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.security.loopback import client_address, is_direct
from fastkiq.web.view import View, current

LOGGER: Final = logging.getLogger("fastkiq.web")


@dataclass(frozen=True)
class Access:
    """What `authorize` may answer instead of True: a name for the audit log, and whether reading is all they may.

    Raises TypeError for a name that is empty or no text, and for a `read_only` that is neither True nor False.
    """

    who: str
    read_only: bool = False

    def __post_init__(self) -> None:
        who, read_only = cast("tuple[object, object]", (self.who, self.read_only))
        if not isinstance(who, str) or not who or not isinstance(read_only, bool):
            # A user who is not there, an unknown role: they must not let anybody in, or do more.
            said = f"Access({self.who!r:.80}, read_only={self.read_only!r:.80})"
            raise TypeError(f"{said}: the name is a text and not empty, read_only True or False")


class AccessCheck:
    """Lets in whom `authorize` or the credentials let in; with neither, who has come from this machine itself.

    `authorize(request)` answers True or False, a name, or an `Access`; it may be a coroutine function, and runs in a
    thread when it is not. With credentials as well, either will do. The static files, which are the same for everybody,
    anybody may have: a refusal is a page with styles.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = current()
        try:
            if not _asks_for_static(view):
                await _admit(view)
        except Refused as refused:
            await answer(refused.status, refused.text, refused.headers, bare=True)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _asks_for_static(view: View) -> bool:
    match view.path.split("/", 3):
        case ["", "static", _, path]:
            return path in view.site.assets.files and view.request.method in ("GET", "HEAD")
    return False


async def _admit(view: View) -> None:
    site = view.site
    if site.open_to_loopback_only:
        if not is_direct(view.request.scope):
            raise Refused(403, _nobody_decides())
        return
    if site.credentials and _proved(view):
        return
    if site.authorize is not None and await _authorized(view):
        return
    if not site.credentials:
        raise Refused(403, _("You are not allowed to see this page."))
    if "authorization" in view.request.headers:
        address = printable(client_address(view.request.scope) or "-", 60)
        LOGGER.warning("wrong user name, password or token from %s", address)
    text = _("This page needs a user name and a password.")
    if site.credentials.password is None:
        text = _("This server takes a bearer token, which browsers cannot send. Give it a username as well.")
    raise Refused(401, text, www_authenticate=site.credentials.challenge())


def _proved(view: View) -> bool:
    headers = view.request.headers.getlist("authorization")
    if len(headers) != 1:
        return False
    if view.site.credentials.accepts_token(headers[0]):
        view.who, view.by_token = "token", True
        return True
    user = view.site.credentials.accepts_basic(headers[0])
    if user is None:
        return False
    view.who = user
    return True


async def _authorized(view: View) -> bool:
    authorize = view.site.authorize
    assert authorize is not None
    # A callable object with an async __call__ answers a coroutine as well: what comes back tells.
    if inspect.iscoroutinefunction(authorize):
        found = await authorize(view.request)
    else:
        found = await run_in_threadpool(authorize, view.request)
        if inspect.isawaitable(found):
            found = await found
    if isinstance(found, Access):
        view.read_only = view.read_only or found.read_only
        found = found.who
    if not isinstance(found, str | bool | None):
        # Objects are true: an anonymous user, a redirect to where one signs in.
        raise TypeError(f"authorize must answer True, False, a name or an Access, not {type(found).__name__}")
    view.who = found if isinstance(found, str) and found else "authorize"
    return bool(found)


def _nobody_decides() -> str:
    return _(
        "Nobody has said who may see this page, so only browsers on this machine may. Give fastkiq.web.app() an "
        "authorize=callable, or a username and a password."
    )
