"""Nothing but reading."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq.web.errors import answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current


class ReadOnly:
    """Refuses whatever could change something. Pages hide their buttons by the same `view.read_only`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if current().read_only and scope["method"] not in ("GET", "HEAD"):
            await answer(403, _("You may look here, but change nothing."))(scope, receive, send)
        else:
            await self.app(scope, receive, send)
