"""FastAPI: the lifespan, a dependency that enqueues, the web UI behind a dependency.

How they are used: docs/fastapi.md.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fastkiq import client
from fastkiq.client import Client
from fastkiq.contrib.starlette import lifespan

__all__ = ["JobClient", "job_client", "lifespan", "web_ui"]

METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_ACCESS: Final = "fastkiq.access"  # in the scope, where no client can put anything


async def job_client() -> Client:
    """The dependency: the client behind `perform_async`. Tests override it: `app.dependency_overrides[job_client]`."""
    return client.default()


JobClient = Annotated[Client, Depends(job_client)]
"""`async def order(jobs: JobClient)`, and in it `await jobs.apush(Mail, "ann")`; where it is not async, `jobs.push`."""


def web_ui(allowed: Callable[..., Any], **options: Any) -> APIRouter:
    """The web UI as a router: `app.include_router(web_ui(is_admin), prefix="/jobs")`.

    `allowed` is a dependency, with such of its own: it answers True, False, the user's name for the audit log, or a
    `fastkiq.web.Access`, or raises an HTTPException. `options` are those of `fastkiq.web.app()` but for `authorize`.
    Needs `fastkiq[web]`.
    """
    from fastkiq.web import Access, app

    web = app(authorize=_admitted, **options)
    router = APIRouter()

    async def show(request: Request, path: str, answer: Annotated[Any, Depends(allowed)]) -> Response:
        if not isinstance(answer, bool | str | Access | None):
            # Objects are true: an anonymous user, a redirect to where one signs in.
            raise TypeError(
                "the dependency of web_ui() must answer True, False, a name or fastkiq.web.Access(name), not "
                f"{type(answer).__name__}; what is to be sent instead of the pages it raises, as an HTTPException"
            )
        return _Handed(web, path, answer)

    router.add_api_route("/{path:path}", show, methods=METHODS, include_in_schema=False, response_model=None)
    return router


def _admitted(request: Request) -> Any:
    return request.scope.get(_ACCESS, False)


class _Handed(Response):
    """Hands the request on to an application of its own, as a mount does."""

    def __init__(self, application: ASGIApp, path: str, answer: Any) -> None:
        super().__init__()
        self._application = application
        self._path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outer, below = scope.get("root_path", ""), f"/{self._path}"
        root = outer + scope["path"].removeprefix(outer).removesuffix(below)  # servers differ in whether it is in there
        handed = {**scope, "root_path": root, "path": root + below, _ACCESS: self._answer}
        await self._application(handed, receive, send)
