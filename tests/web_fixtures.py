"""Fixtures for `tests/web` and `tests/browser`: their conftest.py imports them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType

import pytest

from fastkiq.web import app
from web_probe import Deeds, probing
from web_server import serve_asgi


@pytest.fixture
def web(redis_url: str) -> Iterator[Callable[..., str]]:
    """`web(**options)`: the web UI on a real socket, on `redis_url` unless told otherwise; answers its URL."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serve_asgi(app(**{"redis_url": redis_url, **options})))


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deeds]:
    """What the pages of `web_probe` have changed. Whoever asks for it has them in each application made afterwards."""
    with probing(monkeypatch) as found:
        yield found


@pytest.fixture(scope="session")
def django_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A project of Django's in one module: one page of its own, and users. One a process: Django knows no two."""
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path

    module = ModuleType("django_project_of_the_tests")
    module.urlpatterns = [path("", lambda request: HttpResponse("the host's own"))]  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    folder = tmp_path_factory.mktemp("django")
    settings.configure(
        ROOT_URLCONF=module.__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of the tests",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "users")}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    call_command("migrate", verbosity=0)
    yield module
    connections.close_all()
    del sys.modules[module.__name__]
