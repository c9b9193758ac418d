"""Runs the cases of Django's own tests/tasks, of django-tasks-rq and of django-tasks-db with fastkiq's backend in place
of theirs.

    python tests/django/conformance.py [FOLDER]

FOLDER (target/django) holds the sources that conformance.txt names, as archives or unpacked; what is not there is
downloaded by pip. With Django 6 the cases meet `django.tasks`, with Django 5.2 the package django-tasks. A line
for each case is printed; the exit code is 0 when all that can apply have passed.
"""

import logging
import subprocess
import sys
import tarfile
import types
import unittest
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]

import conformance_left_out as left_out  # noqa: E402
import django  # noqa: E402
from django.conf import settings  # noqa: E402

import fastkiq  # noqa: E402
from servers import FAMILIES, Server, binary  # noqa: E402

OWN_TASKS = django.VERSION >= (6, 0)
SWAPS = [
    ("django.tasks.backends.dummy.DummyBackend", "conformance_backends.Recorder"),
    ("django.tasks.backends.immediate.ImmediateBackend", "conformance_backends.Prompt"),
    (
        "from django.tasks.backends.dummy import DummyBackend",
        "from conformance_backends import Recorder as DummyBackend",
    ),
    (
        "from django.tasks.backends.immediate import ImmediateBackend",
        "from conformance_backends import Prompt as ImmediateBackend",
    ),
]
TO_BACKPORT = [("django.tasks", "django_tasks")]
"""After the others."""
OF_DB = [("uuid.UUID(result.id).version, 4", "len(result.id), 24"), ("is not JSON serializable", "Unsupported type")]
"""The id is a job's, and what is wrong with an answer is in Django's words."""


class Swapped(SourceFileLoader):
    """Loads a file with other words in it."""

    swaps: Iterable[tuple[str, str]] = ()

    def get_data(self, path: str) -> bytes:
        text = super().get_data(path).decode()
        for old, new in self.swaps:
            text = text.replace(old, new)
        return text.encode()

    def path_stats(self, path: str) -> dict[str, Any]:
        raise OSError("nothing of it is cached")


def load(name: str, file: Path, swaps: Iterable[tuple[str, str]]) -> types.ModuleType:
    """As the module of this name."""
    loader = Swapped(name, str(file))
    loader.swaps = swaps
    packages = [str(file.parent)] if file.name == "__init__.py" else None
    spec = spec_from_file_location(name, file, loader=loader, submodule_search_locations=packages)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)
    loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


def sources(folder: Path) -> Path:
    """Downloads and unpacks what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [line.split()[0] for line in (HERE / "conformance.txt").read_text().splitlines() if "==" in line]
    names = [line.replace("==", "-") for line in wanted]
    if not all(list(folder.glob(f"{name.replace('-', '[-_]')}*")) for name in names):
        words = ["--quiet", "--no-deps", "--no-binary", ":all:", "--python-version", "3.12", "--require-hashes"]
        pip = [sys.executable, "-m", "pip", "download", *words, "-d", str(folder), "-r", str(HERE / "conformance.txt")]
        subprocess.run(pip, check=True)
    for archive in folder.glob("*.tar.gz"):
        if not (folder / archive.name.removesuffix(".tar.gz")).is_dir():
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    return folder


def set_up() -> None:
    """A project with nothing in it but fastkiq."""
    settings.configure(
        SECRET_KEY="of the tests",
        USE_TZ=True,
        INSTALLED_APPS=[*([] if OWN_TASKS else ["django_tasks"]), "fastkiq.contrib.django"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TASKS={"default": {"BACKEND": "fastkiq.contrib.django.FastkiqBackend", "QUEUES": ["default", "queue-1"]}},
        FASTKIQ={"autodiscover": False},
    )
    django.setup()
    logging.getLogger().addHandler(logging.NullHandler())  # many cases are of tasks that fail


def djangos(folder: Path) -> list[types.ModuleType]:
    """The modules of tests/tasks; not that about backends which its cases define themselves."""
    swaps = SWAPS if OWN_TASKS else [*SWAPS, *TO_BACKPORT]
    if not OWN_TASKS:
        from django_tasks import exceptions

        exceptions.InvalidTask = exceptions.InvalidTaskError  # as Django calls them
        exceptions.InvalidTaskBackend = exceptions.InvalidTaskBackendError
    load("tasks", folder / "__init__.py", swaps)
    load("tasks.tasks", folder / "tasks.py", swaps)
    names = ("test_tasks", "test_dummy_backend", "test_immediate_backend")
    return [load(f"tasks.{name}", folder / f"{name}.py", swaps) for name in names]


def rqs(tests: Path) -> types.ModuleType:
    """Those of django-tasks-rq. What they import of RQ is not there; what they would ask of it, fastkiq is asked."""
    import conformance_backends

    from fastkiq import client

    absent("django_rq", "django_rq.connection_utils", "fakeredis", "rq", "rq.defaults", "rq.timeouts")
    absent("django_tasks_rq", "django_tasks_rq.backend", RQBackend=conformance_backends.FastkiqBackend)
    module = load("tests.tests", tests, [])
    case = module.RQBackendTestCase
    case.setUp = lambda self: client.default().command("FLUSHDB")
    case.run_worker = lambda self: conformance_backends.work()
    return module


def dbs(tests: Path) -> types.ModuleType:
    """Those of django-tasks-db. What they count in its table is counted in Redis; of a database nothing is asked."""
    import conformance_backends
    from django.test import TransactionTestCase

    from fastkiq import client

    commands = ("management", "management.commands", "management.commands.prune_db_task_results")
    absent("django_tasks_db", DatabaseBackend=conformance_backends.FastkiqBackend)
    absent(*(f"django_tasks_db.{name}" for name in (*commands, "admin", "utils")))
    absent("django_tasks_db.models", DBTaskResult=mock.Mock(objects=conformance_backends.Table()))
    module = load("tests.tests", tests, OF_DB)
    for case in (module.DatabaseBackendTestCase, module.DatabaseBackendWorkerTestCase):
        case.setUp = lambda self: client.default().command("FLUSHDB")
        case.run_worker = staticmethod(conformance_backends.work_off)
        case.assertNumQueries = lambda self, number: TransactionTestCase.assertNumQueries(self, 0)
    return module


def absent(*names: str, **present: Any) -> None:
    """Modules that can be imported, though nothing is in them but what is given."""
    for name in names:
        sys.modules[name] = mock.MagicMock(name=name, **present)


def their_tasks(file: Path) -> None:
    """The tasks of the cases of these packages are not in their archives; they are those of Django's."""
    load("tests", file.parent / "__init__.py", [])
    load("tests.tasks", file, [*TO_BACKPORT, ("This Task failed", "This task failed")])


def cases(modules: Iterable[types.ModuleType]) -> Iterator[unittest.TestCase]:
    for module in modules:
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            yield from suite  # type: ignore[misc]


def main(folder: Path) -> int:
    """The exit code."""
    sources(folder)
    tasks = next(folder.glob("django-*/tests/tasks"))
    family = next(name for name in FAMILIES if binary(name))
    with TemporaryDirectory(prefix="fastkiq-") as place:
        server = Server(family, Path(place)).start()
        try:
            fastkiq.configure(redis_url=server.url)
            set_up()
            modules = djangos(tasks)
            if not OWN_TASKS:
                their_tasks(tasks / "tasks.py")
                modules.append(rqs(next(folder.glob("django_tasks_rq-*/tests/tests.py"))))
                modules.append(dbs(next(folder.glob("django_tasks_db-*/tests/tests.py"))))
            return run(list(cases(modules)))
        finally:
            server.stop()


def run(found: list[unittest.TestCase]) -> int:
    """Runs them but for those that are left out; says what became of each."""
    reasons = {**left_out.ALWAYS}
    for newer, left in (((6, 1), left_out.BEFORE_6_1), ((6, 0), left_out.BEFORE_6_0)):
        reasons.update(left if newer > django.VERSION else {})
    counts = {"passed": 0, "left out": 0, "FAILED": 0}
    chosen: dict[type, list[unittest.TestCase]] = {}
    for case in found:
        name = case.id().split(".", 2)[2]
        reason = reasons.get(name, reasons.get(type(case).__name__))
        if reason is not None:
            counts["left out"] += 1
            print(f"left out  {name}: {reason}")
        else:
            chosen.setdefault(type(case), []).append(case)
    for group in chosen.values():
        outcome = unittest.TestResult()
        unittest.TestSuite(group).run(outcome)
        broken = [*outcome.errors, *outcome.failures]
        for failed, text in broken:
            print(f"FAILED    {failed.id()}\n{text}")
        names = {failed.id().split(" ")[0] for failed, _ in broken}
        for case in group:
            if case.id() not in names:
                print(f"passed    {case.id().split('.', 2)[2]}")
        counts["FAILED"] += len(broken)
        counts["passed"] += outcome.testsRun - len(names)
    print(f"Django {django.get_version()}:", ", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["FAILED"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "django"))
