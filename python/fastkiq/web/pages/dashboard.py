"""Where everything starts."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.web.rendering import render


def dashboard(request: Request) -> Response:
    """The state of things at a glance."""
    return render("dashboard.html")


routes: Final[list[BaseRoute]] = [Route("/", dashboard)]
