"""The web UI as a blueprint, behind whatever the application lets people in by."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from starlette.requests import Request

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ACCESS: Final = "fastkiq.access"  # in the environ; no header of a client's can have such a name


def web_ui(allowed: Callable[[], Any], *, name: str = "fastkiq", **options: Any) -> Blueprint:
    """A blueprint: `app.register_blueprint(web_ui(is_admin), url_prefix="/jobs")`.

    `allowed` is called in the request's context and answers True, False, a `fastkiq.web.Access` with the user's name
    for the audit log, or a response: a redirect to the login page, a tuple of text and status. A text alone is an
    error, since a page could not be told from a name. `options` are those of `fastkiq.web.app()` but for `authorize`.
    Needs `fastkiq[web]`.
    """
    from fastkiq.web import Access, wsgi_app

    blueprint = Blueprint(name, __name__)
    web = wsgi_app(authorize=_admitted, **options)

    @blueprint.route("/", defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @blueprint.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
    def show(path: str) -> ResponseReturnValue:
        answer = current_app.ensure_sync(allowed)()
        if isinstance(answer, Response | tuple):
            response: ResponseReturnValue = answer
            return response
        if not isinstance(answer, bool | Access | None):
            # Objects are true: an anonymous user, the text of a login page.
            raise TypeError(
                "what web_ui() calls must answer True, False, fastkiq.web.Access(name) or a response (of a page's text "
                f"flask.make_response makes one), not {type(answer).__name__}"
            )
        # An answer to HEAD is never iterated, and what makes it would wait for that until it is destroyed.
        return current_app.response_class.from_app(web, _below(path, answer), buffered=request.method == "HEAD")

    return blueprint


def _admitted(asked: "Request") -> Any:
    return asked.scope["wsgi_environ"].get(_ACCESS, False)


def _below(path: str, answer: Any) -> dict[str, Any]:
    """The environ with the blueprint's prefix moved to where WSGI has what is above an application."""
    whole = request.environ["PATH_INFO"]
    below = "/" + path.encode().decode("latin-1")
    prefix = whole.removesuffix(below)
    return {
        **request.environ,
        "SCRIPT_NAME": request.environ.get("SCRIPT_NAME", "") + prefix,
        "PATH_INFO": whole[len(prefix) :],
        _ACCESS: answer,
    }
