"""`fastkiq new` writes a project whose workers run and whose tests pass."""

import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from fastkiq.new import NewError, package_of, write
from servers import free_port

TAKEN = ["json", "class", "fastkiq", "tests"]
Call = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def project(call: Call, tmp_path: Path) -> Path:
    answer = call("new", "my-shop", "--docker")
    assert (answer.returncode, answer.stderr) == (0, "")
    return tmp_path / "my-shop"


@pytest.fixture
def workers(project: Path, redis_url: str) -> Iterator[Child]:
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    child = Child(fastkiq("process", "--reload", "-v"), project, environment)
    yield child
    child.close()


@pytest.fixture
def django_project(call: Call, tmp_path: Path) -> Path:
    answer = call("new", "my-shop", "--django", "--docker")
    assert (answer.returncode, answer.stderr) == (0, "")
    return tmp_path / "my-shop"


def run(project: Path, *arguments: str, **environment: str) -> "CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_it_lists_what_it_has_written_and_what_to_do(call: Call, tmp_path: Path) -> None:
    answer = call("new", "shop")
    assert answer.returncode == 0
    listed = {line.strip() for line in answer.stdout.partition("\n\n")[0].splitlines()}
    assert listed == {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert "shop/.gitignore" in listed
    assert "shop/Dockerfile" not in listed
    for command in ("fastkiq process --reload -v", "python -m shop ann bob", "pytest"):
        assert f"\n  {command}" in answer.stdout
        assert command in (tmp_path / "shop" / "README.md").read_text()


def test_its_workers_run_the_jobs_of_its_program(
    project: Path, workers: Child, redis_url: str, redis: redis_py.Redis
) -> None:
    workers.wait_for("ready:")
    enqueued = run(project, "-m", "my_shop", "ann", "bob", FASTKIQ_REDIS_URL=redis_url)
    assert enqueued.returncode == 0, enqueued.stderr
    workers.wait_for("greeted ann")
    workers.wait_for("greeted bob")
    assert {file.read_text() for file in (project / "greetings").iterdir()} == {"hello, ann\n", "hello, bob\n"}
    file = project / "my_shop" / "jobs.py"
    file.write_text(file.read_text().replace("minutes=1", "seconds=1"))
    workers.wait_for("my_shop/jobs.py changed")
    workers.wait_for("removed 0 greetings")
    assert workers.stop() == 0
    assert redis.llen("queue:default") == redis.zcard("retry") == 0
    assert {b"my_shop.jobs.TidyUp"} == redis.hgetall("fastkiq:cron").keys()


def test_its_tests_pass(project: Path) -> None:
    plugin = [] if entry_points(group="pytest11", name="fastkiq") else ["-p", "_fastkiq_pytest"]
    answer = run(project, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:benchmark", *plugin)
    assert answer.returncode == 0, answer.stdout
    assert "passed" in answer.stdout


def test_its_sources_are_in_the_form_of_ours(project: Path, call: Call) -> None:
    assert call("new", "django-shop", "--django").returncode == 0
    tools = Path(sys.executable).parent
    ours = ["--isolated", "--line-length", "120", "--quiet", "--extend-exclude", "migrations", "."]
    for folder in (project, project.parent / "django-shop"):
        for arguments in (["ruff", "check"], ["ruff", "format", "--check"]):
            answer = subprocess.run(
                [tools / arguments[0], *arguments[1:], *ours],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert answer.returncode == 0, answer.stdout
    typed = run(project, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", "my_shop", "tests")
    assert typed.returncode == 0, typed.stdout


@pytest.mark.parametrize("web", ["flask", "fastapi"])
def test_its_pages_enqueue(web: str, call: Call, tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    assert call("new", "shop", f"--{web}").returncode == 0
    port = str(free_port())
    readme = (tmp_path / "shop" / "README.md").read_text()
    (command,) = re.findall(r"^(?:flask .* run|uvicorn) .*$", readme, re.MULTILINE)
    assert "`shop/web.py`" in readme
    words = [word for word in command.split() if word not in ("--port", "8000")]
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    pages = Child([sys.executable, "-m", *words, "--port", port], tmp_path / "shop", environment)
    try:
        pages.wait_for(lambda text: "running on" in text.lower(), 30)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/greetings/eve", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            jid = json.load(answer)["job"]
    finally:
        pages.close()
    (queued,) = redis.lrange("queue:default", 0, -1)
    assert (json.loads(queued)["jid"], json.loads(queued)["args"]) == (jid, ["eve"])
    dependencies = tomllib.loads((tmp_path / "shop" / "pyproject.toml").read_text())["project"]["dependencies"]
    assert web in "".join(dependencies)


def test_jobs_of_the_flask_project_have_the_application(
    call: Call, tmp_path: Path, redis_url: str, redis: redis_py.Redis
) -> None:
    answer = call("new", "shop", "--flask", "--docker")
    project = tmp_path / "shop"
    (command,) = re.findall(r"^flask .* process .*$", (project / "README.md").read_text(), re.MULTILINE)
    assert f"\n  {command}  the workers" in answer.stdout
    assert f"\n  {'python -m shop ann bob'.ljust(len(command))}  jobs for them" in answer.stdout
    assert '"flask", "--app", "shop.web", "fastkiq", "process"' in (project / "Dockerfile").read_text()
    file = project / "shop" / "jobs.py"
    text = file.read_text().replace("import fastkiq\n", "import fastkiq\nfrom flask import current_app\n", 1)
    file.write_text(text.replace('"greeted %s", name', '"greeted %s in %s", name, current_app.name'))
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    workers = Child([sys.executable, "-m", *command.split()], project, environment)
    try:
        workers.wait_for("ready:")
        assert run(project, "-m", "shop", "ann", FASTKIQ_REDIS_URL=redis_url).returncode == 0
        workers.wait_for("greeted ann in shop.web")
    finally:
        workers.close()


def test_a_project_has_one_framework(call: Call, tmp_path: Path) -> None:
    answer = call("new", "shop", "--fastapi", "--django")
    assert answer.returncode == 2
    assert "--fastapi and --django: a project has one of them" in answer.stderr
    assert not (tmp_path / "shop").exists()


def test_the_django_project_is_sound_and_its_tests_pass_without_a_server(django_project: Path) -> None:
    nowhere = {"FASTKIQ_REDIS_URL": "redis://127.0.0.1:1"}
    checked = run(django_project, "-W", "error", "manage.py", "check", **nowhere)
    assert checked.returncode == 0, checked.stderr
    assert run(django_project, "manage.py", "makemigrations", "--check", **nowhere).returncode == 0
    tested = run(django_project, "manage.py", "test", **nowhere)
    assert tested.returncode == 0, tested.stderr
    assert "Ran 4 tests" in tested.stderr
    readme = (django_project / "README.md").read_text()
    for command in ("migrate", "createsuperuser", "fastkiq process --reload -v", "runserver", "test"):
        assert f"\npython manage.py {command}\n" in readme


def test_the_workers_of_the_django_project_run_what_its_site_enqueues(
    django_project: Path, redis_url: str, redis: redis_py.Redis
) -> None:
    environment = {"FASTKIQ_REDIS_URL": redis_url}
    assert run(django_project, "manage.py", "migrate", "-v", "0", **environment).returncode == 0
    port = str(free_port())
    site = Child(
        [sys.executable, "manage.py", "runserver", "--noreload", port], django_project, clean_environment(environment)
    )
    workers = Child(
        [sys.executable, "manage.py", "fastkiq", "process", "-v"], django_project, clean_environment(environment)
    )
    try:
        workers.wait_for("ready:")
        site.wait_for("Quit the server")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/greetings/eve/", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            jid = json.load(answer)["job"]
        code = "from my_shop.tasks import greet; from my_shop.models import Greeting; "
        code += "greet.enqueue(Greeting.objects.get().pk)"
        shell = run(django_project, "manage.py", "shell", "-c", code, **environment)
        assert shell.returncode == 0, shell.stderr
        told = workers.wait_for(lambda text: text.count("state=SUCCESSFUL") == 2, 20)
        assert f"Task id={jid} path=my_shop.tasks.greet state=SUCCESSFUL" in told
        assert workers.stop() == 0
    finally:
        site.close()
        workers.close()
    code = "from my_shop.models import Greeting; print(Greeting.objects.get().text)"
    assert run(django_project, "manage.py", "shell", "-c", code, **environment).stdout.splitlines()[-1] == "hello, eve"
    assert {b"my_shop.workers.TidyUp"} == redis.hgetall("fastkiq:cron").keys()
    assert redis.zcard("retry") == redis.zcard("dead") == 0


def test_the_django_project_in_production(django_project: Path) -> None:
    files = {file.relative_to(django_project).as_posix() for file in django_project.rglob("*") if file.is_file()}
    assert {"manage.py", "Dockerfile", "fastkiq.toml", ".gitignore", "my_shop/tasks.py"} <= files
    assert not {"my_shop/jobs.py", "my_shop/__main__.py"} & files
    docker = (django_project / "Dockerfile").read_text()
    assert 'CMD ["python", "manage.py", "fastkiq", "process", "--health", "0.0.0.0:8080"]' in docker
    assert "COPY pyproject.toml fastkiq.toml manage.py ./" in docker
    assert "SECRET_KEY" in run(django_project, "manage.py", "check", FASTKIQ_ENV="production").stderr
    told = {"FASTKIQ_ENV": "production", "SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "shop.example"}
    assert run(django_project, "manage.py", "check", **told).returncode == 0


@pytest.mark.parametrize("name", ["admin", "auth", "django-tasks", "sessions"])
def test_a_django_project_cannot_be_called_like_an_app_of_its_own(name: str, tmp_path: Path) -> None:
    with pytest.raises(NewError, match="cannot be the name of a project"):
        write(name, tmp_path, web="django")
    assert write(name, tmp_path)


def test_its_configuration_is_read(project: Path) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text())
    assert declared["project"]["name"] == "my-shop"
    assert declared["tool"]["setuptools"]["packages"] == ["my_shop"]
    assert tomllib.loads((project / "fastkiq.toml").read_text())["require"] == ["my_shop.jobs"]
    assert "$" not in "".join(file.read_text() for file in project.rglob("*.in"))
    image = (project / "Dockerfile").read_text()
    assert 'CMD ["fastkiq", "process", "--health", "0.0.0.0:8080"]' in image
    assert re.search(r"^USER \d+$", image, re.MULTILINE), "Kubernetes' runAsNonRoot wants a number"


@pytest.mark.parametrize(
    "name",
    ["", "-x", "_x", "1x", "a b", "../x", "/tmp/x", "x/", "x.y", "x--y", "x-", "é", "x\n", "x" * 65, *TAKEN],
)
def test_names_that_will_not_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(NewError, match="cannot be the name of a project"):
        write(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "package"), [("shop", "shop"), ("my-shop", "my_shop"), ("Shop2", "shop2"), ("a_b-c", "a_b_c")]
)
def test_the_package_of_a_project(name: str, package: str) -> None:
    assert package_of(name) == package


def test_nothing_is_overwritten(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("file", "full", "link"):
        answer = call("new", name)
        assert answer.returncode == 2
        assert "is there already, and nothing is overwritten" in answer.stderr
    assert (tmp_path / "file").read_text() == "mine"
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["mine"]
    assert list((tmp_path / "target").iterdir()) == []
    (tmp_path / "empty").mkdir()
    assert call("new", "empty").returncode == 0
