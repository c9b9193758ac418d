"""Is it us that the browser means? Against DNS rebinding."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq.printable import shown
from fastkiq.web.errors import answer
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import View, current


class HostCheck:
    """Refuses requests whose `Host` is not on the list.

    A site that makes its own name lead to 127.0.0.1 is of the same origin as whatever answers there, so all checks of
    the origin pass; only the name gives it away. It matters where the way here is what lets somebody in. Alone, the
    list always applies. Inside a host application with a check of its own (`authorize`, or a password here), it
    applies when `allowed_hosts` is given: cookies and passwords belong to a name, so the browser has none for the
    attacker's, and a list made up here would break every deployment that has a name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = current()
        hosts = view.request.headers.getlist("host")
        site = view.site
        applies = site.standalone or site.open_to_loopback_only or bool(site.hosts.names)
        if not applies or (len(hosts) == 1 and site.hosts.allows(hosts[0])):
            await self.app(scope, receive, send)
        else:
            await answer(*_refusal(view, hosts), bare=True)(scope, receive, send)


def _refusal(view: View, hosts: list[str]) -> tuple[int, str]:
    if len(hosts) != 1:
        return 400, _("A request needs one Host header.")
    name = shown(hosts[0], 100)
    if view.site.standalone:
        return 403, _(
            "This server was not told that it is called %(name)s: start it with --allow-host NAME.", name=name
        )
    return 403, _("This application was not told that it is called %(name)s: allowed_hosts names it.", name=name)
