"""One request as the pages see it: where it came in, who asks, in which language, with which look."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlencode

from starlette.requests import Request

from fastkiq.web.locale import Locale

if TYPE_CHECKING:
    from fastkiq.web.site import Site

Theme = Literal["auto", "light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("auto", "light", "dark")
_JSON: Final = re.compile(r"/(?:api|stats)(?:/|$)")


@dataclass(slots=True)
class View:
    """Made anew for each request by `entry.py`; the middleware fills in what it finds out."""

    site: "Site"
    request: Request
    root: str
    """The prefix under which the application is mounted, with no slash at its end; empty when it has none."""
    path: str
    """The path below the prefix."""
    locale: Locale
    theme: Theme
    nonce: str
    """For this answer's scripts."""
    read_only: bool
    who: str = ""
    """The name that the audit log gives to whoever asks."""
    by_token: bool = False
    """Whether a bearer token, which no browser sends by itself, proved who asks."""
    body: bytes = b""
    form: list[tuple[str, str]] = field(default_factory=list)
    csrf_token: str = ""
    """Set when a form of this answer has asked for it."""

    @property
    def wants_json(self) -> bool:
        """Whether programs ask here, so that errors too are JSON."""
        return _JSON.match(self.path) is not None

    def url(self, path: str, *segments: object, **query: object) -> str:
        """A link to a page: the prefix, a path of ours, segments that may be hostile, and a query without its Nones."""
        whole = quote(self.root + path, safe="/-._~:") + "".join("/" + quote(str(each), safe="") for each in segments)
        asked = {key: str(value) for key, value in query.items() if value is not None}
        return f"{whole}?{urlencode(asked)}" if asked else whole

    def here(self, **changes: object) -> str:
        """This page with some of its query changed; None takes a parameter out."""
        asked: dict[str, Any] = {**self.request.query_params, **changes}
        return self.url(self.path, **asked)

    @property
    def path_and_query(self) -> str:
        """Where we are below the prefix, for the way back."""
        query = self.request.scope.get("query_string", b"").decode("latin-1")
        return f"{self.path}?{query}" if query else self.path

    def static(self, path: str) -> str:
        """The URL of a static file, which changes whenever any of them does."""
        assets = self.site.assets
        if path not in assets.files:
            raise LookupError(f"no static file {path!r}")
        return self.url(f"/static/{assets.version}/{path}")


_CURRENT: Final[ContextVar[View]] = ContextVar("fastkiq.web.view")


def current() -> View:
    """The view of the request at hand; in handlers (their threads too), templates and macros."""
    return _CURRENT.get()


def enter(view: View) -> None:
    """Makes it the current one for the rest of this task: servers run each request in a context of its own."""
    _CURRENT.set(view)


@contextmanager
def viewing(view: View) -> Iterator[View]:
    """Makes it the current one for a while: for tests, and work outside of a request."""
    token = _CURRENT.set(view)
    try:
        yield view
    finally:
        _CURRENT.reset(token)
