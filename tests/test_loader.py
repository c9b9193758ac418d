"""Loading what the command line names: modules, files and folders."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from fastkiq import registry
from fastkiq.loader import LoadError, load
from fastkiq.sources import worker_files

WORKER = """
    import fastkiq
    class {name}(fastkiq.Worker):
        def perform(self): ...
"""


@pytest.fixture(autouse=True)
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test loads is gone after it."""
    names, modules, path = registry.snapshot(), set(sys.modules), sys.path[:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    registry.restore(names)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
        return path

    return file


Write = Callable[[str, str], Path]


def loaded(before: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    return {entry.name for entry in registry.entries()} - set(before)


@pytest.fixture
def before() -> set[str]:
    return loaded()


def test_a_module_of_the_current_folder(write: Write, before: set[str]) -> None:
    write("lot_app/__init__.py", "")
    write("lot_app/jobs.py", WORKER.format(name="Hard"))
    load("lot_app.jobs")
    assert loaded(before) == {"lot_app.jobs.Hard"}


def test_a_file_goes_by_its_stem_and_finds_its_neighbours(write: Write, before: set[str]) -> None:
    write("lot_sub/lot_helper.py", "VALUE = 5")
    write("lot_sub/lot_jobs.py", "import lot_helper\n" + dedent(WORKER.format(name="Hard")))
    load("lot_sub/lot_jobs.py")
    assert loaded(before) == {"lot_jobs.Hard"}
    load("./lot_sub/../lot_sub/lot_jobs.py")
    assert loaded(before) == {"lot_jobs.Hard"}


def test_a_file_inside_a_package_goes_by_its_module(write: Write, before: set[str]) -> None:
    write("src/lot_pkg/__init__.py", "")
    write("src/lot_pkg/base.py", "import fastkiq\nclass Base(fastkiq.Worker): ...\n")
    write("src/lot_pkg/jobs.py", "from .base import Base\nclass Hard(Base):\n    def perform(self): ...\n")
    load("src/lot_pkg/jobs.py")
    assert "lot_pkg.jobs.Hard" in loaded(before)


@pytest.mark.parametrize(("name", "says"), [("json.py", "name of another module"), ("my-jobs.py", "no module's name")])
def test_a_file_whose_stem_cannot_be_a_module_here(write: Write, name: str, says: str) -> None:
    write(name, "")
    with pytest.raises(LoadError, match=says):
        load(name)


def test_a_folder_loads_only_what_defines_workers(write: Write, before: set[str]) -> None:
    write("lot_a/__init__.py", "")
    write("lot_a/base.py", "import fastkiq\nclass LotBase(fastkiq.Worker): ...\n")
    write("lot_a/deep/__init__.py", "")
    write("lot_a/deep/jobs.py", "from lot_a import base as b\nclass Deep(b.LotBase):\n    def perform(self): ...\n")
    write("src/lot_b/__init__.py", "")
    write("src/lot_b/mail.py", "import fastkiq\n@fastkiq.job(queue='mail')\ndef send(to: str): ...\n")
    write("lot_space/tasks.py", WORKER.format(name="Spaced"))
    for bystander in (
        "setup.py",
        "lot_a/tool.py",
        "lot_a/test_jobs.py",
        ".hidden/x.py",
        "tests/jobs.py",
        "venv/lib/y.py",
    ):
        write(
            bystander, "import fastkiq\nraise SystemExit('must not be imported')\n" + dedent(WORKER.format(name="No"))
        )
    write("lot_a/tool.py", "import fastkiq\nraise SystemExit('defines no worker')\n")
    write("venv/pyvenv.cfg", "")
    write("broken.py", "class (")
    load(".")
    assert loaded(before) - {"lot_a.base.LotBase"} == {
        "lot_a.deep.jobs.Deep",
        "lot_b.mail.send",
        "lot_space.tasks.Spaced",
    }


@pytest.mark.parametrize(
    "text",
    [
        "import fastkiq\nclass Torn(fastkiq.Worker:\n    pass\n",
        "from base import LotBase\nclass Torn(LotBase:\n",
        "# fastkiq\0",
    ],
    ids=["worker", "below a class of workers", "no text"],
)
def test_a_file_of_a_folder_that_may_define_workers_but_does_not_parse_is_an_error(
    write: Write, before: set[str], tmp_path: Path, text: str
) -> None:
    """Left out in silence, its jobs would find nobody to run them."""
    write("base.py", "import fastkiq\nclass LotBase(fastkiq.Worker): ...\n")
    torn = write("lot_torn.py", text)
    with pytest.raises(LoadError, match=r"lot_torn cannot be loaded: \w+Error") as caught:
        load(".")
    assert caught.value.report is not None
    assert "Error: " in caught.value.report
    assert worker_files(tmp_path)[torn] == []


def test_a_wrong_definition_shows_where_it_is_and_nothing_of_ours(write: Write) -> None:
    write("lot_wrong.py", "import fastkiq\nclass Wrong(fastkiq.Worker, retry=-3):\n    def perform(self): ...\n")
    with pytest.raises(LoadError) as caught:
        load("lot_wrong")
    report = (caught.value.report or "").splitlines()
    assert report[2] == "    class Wrong(fastkiq.Worker, retry=-3):"
    assert report[-1].startswith("fastkiq.errors.DefinitionError: lot_wrong.Wrong: retry must be")
    assert "__init_subclass__" not in str(report)


def test_a_package_folder_is_loaded_from_its_root(write: Write, before: set[str], tmp_path: Path) -> None:
    write("top/lot_c/__init__.py", "")
    write("top/lot_c/jobs.py", WORKER.format(name="Hard"))
    load("top/lot_c")
    assert loaded(before) == {"lot_c.jobs.Hard"}
    assert [path.name for path in worker_files(tmp_path)] == ["jobs.py"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("lot_missing", "no module named 'lot_missing'"),
        ("lot_missing.jobs", "no module named 'lot_missing'"),
        ("missing.py", "no such file or folder: missing.py"),
        ("some/where", "no such file or folder: some/where"),
        ("not a module", "no module's name"),
        ("..", "defines a worker"),
        ("", "no module's name"),
    ],
)
def test_mistakes_take_one_line(target: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(LoadError, match=says) as caught:
        load(target)
    assert caught.value.report is None
    assert "\n" not in str(caught.value)


def test_a_forgotten_py_is_pointed_out(write: Write) -> None:
    write("lot_d/jobs.py", "")
    with pytest.raises(LoadError, match=r"did you mean lot_d/jobs.py\?"):
        load("lot_d/jobs")


@pytest.mark.parametrize("source", ["1 / 0", "import lot_nowhere", "raise SystemExit(4)", "class ("])
@pytest.mark.parametrize("target", ["lot_bad.py", "lot_bad"])
def test_a_module_that_raises_shows_its_own_traceback_whole(write: Write, source: str, target: str) -> None:
    write("lot_bad.py", f"\n\n{source}\n")
    with pytest.raises(LoadError, match="cannot be loaded") as caught:
        load(target)
    report = caught.value.report
    assert report is not None
    assert 'lot_bad.py", line 3' in report
    assert "importlib" not in report
    assert "fastkiq/loader" not in report
    assert "lot_bad" not in sys.modules
