"""A real Django project (`project/`), set up once in this process, on a database of SQLite's in a file.

depot              the project, with empty tables, and fastkiq on `redis_url`
work(*queues)      runs all that is due, by workers on threads of this process
manage(*words)     `manage.py` as a child that has ended; `managed(*words)` as one that runs
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import fastkiq
from children import Child, clean_environment
from fastkiq import config as configuration
from fastkiq.drain import Drain
from servers import wait_until

PROJECT = Path(__file__).parent / "project"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Django knows one project a process, and other tests have another one."""
    if any("django_project" in getattr(item, "fixturenames", ()) for item in items):
        skip = pytest.mark.skip(reason="beside other tests that set Django up: `make django` runs these")
        for item in items:
            if "depot" in getattr(item, "fixturenames", ()):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("depot") / "db"


@pytest.fixture(scope="session")
def _set_up(database: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(PROJECT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "depot.settings"
    os.environ["DEPOT_DATABASE"] = str(database)
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    for alias in ("default", "archive"):
        call_command("migrate", run_syncdb=True, verbosity=0, database=alias)
    import depot

    yield depot
    connections.close_all()
    sys.path.remove(str(PROJECT))
    del os.environ["DJANGO_SETTINGS_MODULE"], os.environ["DEPOT_DATABASE"]


@pytest.fixture
def depot(_set_up: ModuleType, redis_url: str) -> Iterator[ModuleType]:
    from depot.parcels.models import Parcel
    from django.contrib.auth.models import User
    from django.db import connections

    fastkiq.configure(redis_url=redis_url)
    for model in (Parcel, User):
        model.objects.all().delete()
    yield _set_up
    for connection in connections.all():
        assert not connection.in_atomic_block
    connections.close_all()


@pytest.fixture
def work(depot: ModuleType) -> Callable[..., None]:
    """`work("default", "mail")` returns when these queues are empty and nothing runs, retries that are due included."""

    def run(*queues: str) -> None:
        names = queues or ("default:high", "default", "default:low", "mail:high", "mail", "scales")
        with fastkiq.run_in_process(queues=list(names), concurrency=2, timeout=10) as workers:
            wait_until(Drain(workers._launcher.server, 0.5).look, 15, "an end of the work")

    return run


@pytest.fixture
def environment(database: Path, redis_url: str) -> dict[str, str]:
    return {"FASTKIQ_REDIS_URL": redis_url, "DEPOT_DATABASE": str(database)}


@pytest.fixture
def manage(depot: ModuleType, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            env=clean_environment({**environment, **extra}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def managed(depot: ModuleType, environment: dict[str, str]) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*words: str, program: tuple[str, ...] = ("manage.py",), **extra: str) -> Child:
        arguments = [sys.executable, *program, *words]
        children.append(Child(arguments, PROJECT, clean_environment({**environment, **extra})))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """What a test configures is gone after it."""
    config = configuration.default()
    before = dict(config._values)
    yield
    config._values.clear()
    config._values.update(before)
    config.version = next(configuration._versions)
