"""The web UI in urls.py, behind Django's own login."""

from collections.abc import Iterable
from functools import cache, wraps
from io import BytesIO
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import re_path
from django.utils.crypto import salted_hmac
from django.views.decorators.csrf import csrf_exempt

USER = "fastkiq.user"
"""In the request's environ: the name for the audit log. Only this module writes it."""


def urls(**options: Any) -> tuple[list[Any], str, str]:
    """`path("fastkiq/", fastkiq.contrib.django.urls())`: its pages, for staff.

    Whoever is not logged in is sent to the admin's login (LOGIN_URL without the admin), who is no staff gets 403. The
    options are those of `fastkiq.web.app()` but for `authorize`, `username`, `password`, `token` and `prefix`; `secret`
    comes from SECRET_KEY. The pages check by themselves that changes come from their own forms.
    """
    for name in ("authorize", "username", "password", "token", "prefix"):
        if name in options:
            raise ImproperlyConfigured(f"fastkiq's pages let staff in, by Django's login: {name} means nothing here")

    @cache
    def application() -> Any:
        """Made at the first request: urls.py is loaded by commands, too, which need no pages."""
        from fastkiq.web import wsgi_app

        return wsgi_app(authorize=_who, **{"secret": _secret(), **options})

    def page(request: HttpRequest, path: str) -> HttpResponse:
        return _answer(application(), _environ(request, path))

    return [re_path(r"^(?P<path>.*)\Z", csrf_exempt(_for_staff(page)), name="page")], "fastkiq", "fastkiq"


def _for_staff(page: Any) -> Any:
    @wraps(page)
    def checked(request: HttpRequest, path: str) -> HttpResponse:
        user = getattr(request, "user", None)
        if user is None:
            raise ImproperlyConfigured("fastkiq's pages need django.contrib.auth's AuthenticationMiddleware")
        if user.is_active and getattr(user, "is_staff", False):  # a model of the project's own need not have it
            return page(request, path)
        if user.is_authenticated:
            raise PermissionDenied
        login = "admin:login" if apps.is_installed("django.contrib.admin") else settings.LOGIN_URL
        return redirect_to_login(request.get_full_path(), resolve_url(login))

    return checked


def _who(request: Any) -> str:
    name: str = request.scope["wsgi_environ"][USER]
    return name


def _secret() -> str:
    """The same in each process of the project."""
    secret: str = salted_hmac("fastkiq.contrib.django.urls", "forms", algorithm="sha256").hexdigest()
    return secret


def _environ(request: HttpRequest, path: str) -> dict[str, Any]:
    """As WSGI has it, of a request that came by either way. What is in the body Django may have read already."""
    body = request.body
    known = {name: value for name, value in request.META.items() if isinstance(value, str)}
    whole = request.path
    return {
        "SERVER_NAME": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_PORT": "0",
        **known,
        "SERVER_PORT": request.META.get("SERVER_PORT") if request.META.get("SERVER_PORT", "").isdigit() else "0",
        "SCRIPT_NAME": _latin(whole.removesuffix(path).rstrip("/")),
        "PATH_INFO": _latin(f"/{path}"),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": request.scheme,
        USER: request.user.get_username(),
    }


def _latin(path: str) -> str:
    return path.encode("utf-8").decode("latin-1")


def _answer(application: Any, environ: dict[str, Any]) -> HttpResponse:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    chunks: Iterable[bytes] = application(environ, lambda status, headers, _=None: started.append((status, headers)))
    response = HttpResponse(b"".join(chunks))
    status, headers = started[0]
    response.status_code = int(status.split(" ", 1)[0])
    del response["Content-Type"]
    for name, value in headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response
