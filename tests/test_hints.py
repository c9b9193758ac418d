"""What a newcomer is told who names the wrong thing."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import pytest

from fastkiq import hints, registry
from terminal import Terminal

WORKER = "import fastkiq\n\n\nclass Mail(fastkiq.Worker):\n    def perform(self, to: str) -> None: ...\n"
FUNCTION = "import fastkiq\n\n\n@fastkiq.job\ndef send(to: str) -> None: ...\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "jobs.py": WORKER,
        "app/__init__.py": "",
        "app/tasks.py": FUNCTION,
        "src/shop/__init__.py": "",
        "src/shop/orders.py": WORKER.replace("Mail", "Order"),
        "none.py": "def send(): ...\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("jbos", "; did you mean 'jobs'?"),
        ("job.py", "; did you mean 'jobs.py'?"),
        ("app.task", "; did you mean 'app.tasks'?"),
        ("app/task.py", "; did you mean 'app/tasks.py'?"),
        ("app\\tasks.py", "; it is in app/tasks.py: name that"),
        ("app/tasks", "; it is in app/tasks.py: name that"),
        ("shop.orders", "; it is in src/shop/orders.py: name that"),
        ("shop", "; shop is in src: name src/shop/orders.py, or src for all that is there"),
        ("shop.other", "; shop is in src: name src/shop/orders.py, or src for all that is there"),
        ("jobs.Mail", "; Mail is a worker, and a module, file or folder is to be named: jobs.py"),
        ("app.tasks.send", "; send is a worker, and a module, file or folder is to be named: app/tasks.py"),
        ("Mail", "; Mail is a worker, and a module, file or folder is to be named: jobs.py"),
        ("xyz", "; here jobs.py, app/tasks.py, src/shop/orders.py define workers"),
        ("", "; here jobs.py, app/tasks.py, src/shop/orders.py define workers"),
    ],
)
def test_what_may_have_been_meant(project: Path, target: str, hint: str) -> None:
    assert hints.for_target(target) == hint


def test_an_empty_folder_gives_no_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hints.for_target("jobs") == hints.for_nothing() == hints.for_worker("jobs.Mail") == ""


def test_of_many_files_three_are_named(project: Path) -> None:
    (project / "more.py").write_text(WORKER)
    assert hints.for_nothing() == "; here jobs.py, more.py, app/tasks.py and 1 more define workers"


def test_a_django_project_is_known_by_its_manage_py_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    monkeypatch.delitem(sys.modules, "fastkiq.contrib.django.conf", raising=False)
    manage = tmp_path / "manage.py"
    assert hints.for_django("fastkiq stats") == ""
    manage.write_bytes(b"# Flask-Script, say\xff\n")
    assert hints.for_django("fastkiq stats") == ""
    manage.write_text('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    assert hints.for_django("fastkiq stats") == "python manage.py fastkiq stats"
    manage.unlink()
    os.mkfifo(manage)
    assert hints.for_django("fastkiq stats") == ""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    assert hints.for_django("fastkiq stats") == "python -m django fastkiq stats"
    monkeypatch.setitem(sys.modules, "fastkiq.contrib.django.conf", ModuleType("conf"))
    assert hints.for_django("fastkiq stats") == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [("jobs.Mial", "; did you mean 'jobs.Mail'?"), ("jobs.Mail", ""), ("Mail", ""), ("Ruby::Mailer", "")],
)
def test_a_worker_that_is_nearly_called_so(project: Path, name: str, hint: str) -> None:
    assert hints.for_worker(name) == hint


def test_the_command_line_passes_them_on(project: Path, ask: Callable[..., CompletedProcess[str]]) -> None:
    for arguments, says in (
        (["process"], "define workers (see fastkiq process --help)"),
        (["process", "jbos"], "did you mean 'jobs'?"),
        (["process", "none.py", "--drain"], "every job will wait in retry; here jobs.py"),
    ):
        assert says in ask(*arguments).stderr
    assert ask("push", "jobs.Mial", '"x"').stderr == "", "a script enqueues what it likes"


def test_who_types_a_push_is_told_of_a_name_that_is_nearly_right(
    project: Path, terminal: Callable[..., Terminal]
) -> None:
    typed = terminal("push", "jobs.Mial", '"x"', columns=200)
    assert typed.wait() == 0
    assert (
        "no file here defines a worker jobs.Mial; did you mean 'jobs.Mail'? (it is enqueued all the same)" in typed.text
    )


def test_a_class_without_perform_is_no_worker(project: Path, ask: Callable[..., CompletedProcess[str]]) -> None:
    (project / "bare.py").write_text("import fastkiq\nclass Mail(fastkiq.Worker):\n    def preform(self): ...\n")
    for target in ("bare.py", "bare"):
        assert "every job will wait in retry; does Mail define perform?" in ask("process", target, "--drain").stderr


def test_the_worker_says_what_to_name(project: Path) -> None:
    assert "run `fastkiq process app.mails`" in registry.unknown("app.mails.Welcome")
    module = __name__
    known = (f"{module}.Remind", f"{module}.Resize", f"{module}.Welcomed")
    assert registry._near(f"{module}.Charge", known) == "", "the module is no likeness"
    assert registry._near(f"{module}.Welcome", known) == f"; did you mean '{module}.Welcomed'?"
