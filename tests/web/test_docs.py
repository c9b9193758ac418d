"""Every snippet of docs/web.md does what the page says."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fastkiq
from web_server import ask, post, serve_asgi, serve_wsgi

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def snippet(word: str) -> dict[str, Any]:
    """Runs the one snippet that has the word in it."""
    (text,) = [text for text in SNIPPETS if word in text]
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(text, "docs/web.md", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def redis_of_the_tests(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastkiq.config.default", lambda: fastkiq.Config(redis_url=redis_url))
    monkeypatch.setattr(fastkiq.Config, "load_once", lambda self: None)


@pytest.mark.parametrize(
    ("word", "serve"),
    [("from starlette.applications", serve_asgi), ("from fastapi", serve_asgi), ("from flask", serve_wsgi)],
)
def test_a_snippet_mounts_it_behind_its_check(word: str, serve: Callable[[Any], AbstractContextManager[str]]) -> None:
    with serve(snippet(word)["app"]) as base:
        assert ask(base + "/jobs/").status == 403
        page = ask(base + "/jobs/", headers={"Cookie": "role=admin"})
        assert page.status == 200
        assert 'href="/jobs/queues"' in page.text


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_in_django_staff_is_let_in_and_nobody_else(django_project: ModuleType, kind: str) -> None:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.cache import SessionStore

    def session_of(user: User) -> dict[str, str]:
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return {"Cookie": f"sessionid={session.session_key}"}

    User.objects.all().delete()
    boss = User.objects.create_user("boss", password="x", is_staff=True)
    guest = User.objects.create_user("guest", password="x")
    (text,) = [text for text in SNIPPETS if "get_asgi_application" in text]
    if kind == "wsgi":
        text = text.replace("get_asgi_application", "get_wsgi_application").replace("core.asgi", "core.wsgi")
        text = text.replace("web.mount(", "web.wsgi_mount(")
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(text, "docs/web.md", "exec"), names)
    serve = serve_asgi if kind == "asgi" else serve_wsgi
    with serve(names["application"]) as base:
        assert ask(base + "/").text == "the host's own"
        assert ask(base + "/jobs/").status == 403
        assert ask(base + "/jobs/", headers={"Cookie": "sessionid=nonsense"}).status == 403
        assert ask(base + "/jobs/", headers=session_of(guest)).status == 403
        assert ask(base + "/jobs/", headers=session_of(boss)).status == 200
        assert post(base + "/jobs/nowhere", Cookie="sessionid=nonsense").status == 403


def test_the_keys_of_the_page_are_those_of_the_tabs() -> None:
    from fastkiq.web.navigation import tabs
    from fastkiq.web.view import viewing
    from web_server import a_view

    with viewing(a_view()):
        for tab in tabs():
            assert f"`{tab.key}` {tab.label.lower()}" in PAGE


def test_every_language_is_named() -> None:
    from fastkiq.web.locale import locales

    line = PAGE.partition("## Languages\n")[2].split(":")[0]
    assert len(re.split(", | and ", line)) == len(locales())


def test_every_setting_and_option_that_is_named_is_there() -> None:
    import inspect

    from fastkiq.cli.web import web
    from fastkiq.web import app

    options = {option for parameter in web.params for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", PAGE)) <= options
    settings = set(inspect.signature(app).parameters)
    named = re.search(r"Other settings of `app\(\)`: (.+?)\n\n", PAGE, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`([a-z_]+)`", named[1])) <= settings
