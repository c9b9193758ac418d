"""`app()`: the pages behind their checks, as one ASGI application."""

import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.errors import ConfigError
from fastkiq.printable import shown
from fastkiq.web import failures
from fastkiq.web.entry import Entry, Failures
from fastkiq.web.pages import routes
from fastkiq.web.security.access import AccessCheck
from fastkiq.web.security.credentials import Credentials
from fastkiq.web.security.forgery import ForgeryCheck
from fastkiq.web.security.headers import Headers
from fastkiq.web.security.host_check import HostCheck
from fastkiq.web.security.hosts import HostList
from fastkiq.web.security.limits import Limits
from fastkiq.web.security.read_only import ReadOnly
from fastkiq.web.site import Site


def app(
    *,
    config: Config | None = None,
    redis_url: str | None = None,
    authorize: Callable[[Any], Any] | None = None,
    username: str | None = None,
    password: str | None = None,
    token: str | None = None,
    read_only: bool = False,
    allowed_hosts: Iterable[str] = (),
    filter_args: Collection[str] = (),
    prefix: str = "",
    secret: str | bytes | None = None,
) -> ASGIApp:
    """The web UI, to be mounted under any prefix: `Mount("/jobs", fastkiq.web.app(authorize=is_admin))`.

    - `config`, `redis_url`: whose Redis it shows; else that of `fastkiq.configure()`, the environment, the file.
    - `authorize(request)`: True, False, a name for the audit log, or an `Access`; sync (run in a thread) or async.
    - `username` and `password` (HTTP Basic), `token` (bearer): what this application itself accepts. With none of the
      three, only browsers on this very machine are served.
    - `read_only`: nothing can be changed.
    - `allowed_hosts`: names that `Host` may have, `*.example.org` for all below; `HostCheck` says when it is checked.
    - `filter_args`: names of arguments whose values are not shown.
    - `prefix`: what a proxy before has taken off the path; of what mounts it here, it knows.
    - `secret`: signs the tokens of forms, and names jobs where arguments are filtered. A random one by default, one a
      process: several processes behind one address need a common one for browsers that reach them by plain HTTP, and
      with `filter_args`.

    Raises ConfigError for settings that contradict each other or let everybody in.
    """
    return build(
        Site(
            config=_loaded(config),
            redis_url=redis_url,
            hosts=HostList.of(allowed_hosts),
            credentials=Credentials(username, password, token),
            authorize=_callable(authorize),
            read_only=read_only,
            prefix=checked_prefix(prefix),
            filter_args=frozenset(filter_args),
            secret=checked_secret(secret),
        )
    )


def build(site: Site) -> ASGIApp:
    """The application for that site; the order of the layers is that of `security/__init__.py`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if "redis" in site.__dict__:
            # The client is shared with whoever asked `connect()` for the same: only what nobody uses is closed.
            site.redis.connection_pool.disconnect(inuse_connections=False)

    pages = Starlette(
        routes=routes(),
        lifespan=lifespan,
        middleware=[Middleware(Failures)],  # inside of Starlette's own last resort, which would answer before us
        exception_handlers={HTTPException: failures.of_the_router},
    )
    pages.router.redirect_slashes = False
    layered: ASGIApp = pages
    for layer in (ForgeryCheck, ReadOnly, Limits, AccessCheck, HostCheck, Failures, Headers):
        layered = layer(layered)
    return Entry(layered, pages, site)


def _loaded(config: Config | None) -> Config:
    found = configuration.default() if config is None else config
    if config is None:
        found.load_once()
    return found


def _callable(authorize: Any) -> Any:
    if authorize is not None and not callable(authorize):
        raise ConfigError(f"authorize must be callable, not {type(authorize).__name__}")
    return authorize


def checked_prefix(prefix: str) -> str:
    """Without a slash at its end. Raises ConfigError."""
    trimmed = prefix.rstrip("/")
    if trimmed and (not trimmed.startswith("/") or "//" in trimmed or any(each in trimmed for each in "?#\\")):
        raise ConfigError(f"prefix must be a path such as /jobs, not {shown(prefix)}")
    return trimmed


def checked_secret(secret: str | bytes | None) -> bytes:
    """As bytes; a random one for None. Raises ConfigError for one that could be guessed."""
    if secret is None:
        return secrets.token_bytes(32)
    raw = secret.encode() if isinstance(secret, str) else secret
    if len(raw) < 16:
        raise ConfigError("secret must have at least 16 characters, drawn at random")
    return raw
