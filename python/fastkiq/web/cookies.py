"""Our cookies: for our prefix only, never read by a script, never sent by another site's requests."""

from starlette.responses import Response

from fastkiq.web.view import View


def keep(view: View, response: Response, name: str, value: str, seconds: int) -> None:
    """Sets one, for so long."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=view.url("/"),
        secure=view.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def forget(view: View, response: Response, name: str) -> None:
    """Takes one away."""
    keep(view, response, name, "", 0)
