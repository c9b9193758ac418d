"""Static files, with the version in their path: browsers keep them for a year, and never a stale one."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.web.errors import NotFound
from fastkiq.web.view import current


def static(request: Request) -> Response:
    """One file. Of another version, as while a deploy is under way, it is today's file, and not kept."""
    assets = current().site.assets
    found = assets.files.get(request.path_params["path"])
    if found is None:
        raise NotFound
    content, kind = found
    fresh = request.path_params["version"] == assets.version
    caching = "public, max-age=31536000, immutable" if fresh else "no-store"
    return Response(content, media_type=kind, headers={"cache-control": caching})


def icon(request: Request) -> Response:
    """What browsers ask for unasked."""
    content, kind = current().site.assets.files["icon.svg"]
    return Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})


routes: Final[list[BaseRoute]] = [Route("/static/{version}/{path:path}", static), Route("/favicon.ico", icon)]
