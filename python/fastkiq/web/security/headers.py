"""Headers of every answer, errors too."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastkiq.web.view import current


def policy(nonce: str) -> str:
    """The Content-Security-Policy: nothing but what we serve, and no script without this answer's nonce."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


class Headers:
    """Adds them. What a page has set itself (caching) stays.

    The referrer goes to our own pages only. `no-referrer` would be no better: with it, browsers send `Origin: null`
    along with our own forms, and the check of the origin would have nothing to check.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = current().nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = policy(nonce)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                headers["cross-origin-opener-policy"] = "same-origin"
                headers["cross-origin-resource-policy"] = "same-origin"
                headers.setdefault("cache-control", "private, no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)
