"""The Flask extension: settings, the application context around jobs, `flask fastkiq`, the web UI behind a login."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import flask
import pytest
from flask import Flask, current_app, g, redirect, request
from redis import Redis

import fastkiq
import fastkiq.web
from children import Child, clean_environment
from fastkiq import Config
from fastkiq.contrib.flask import Fastkiq, web_ui
from fastkiq.contrib.flask import context as flask_context
from web_server import ask, post, serve_wsgi

SHOP = {
    "__init__.py": """
        from flask import Flask, g
        from fastkiq.contrib.flask import Fastkiq

        fastkiq = Fastkiq()

        def create_app():
            app = Flask("shop")
            app.config.from_prefixed_env()
            app.config["GREETING"] = "hello"
            fastkiq.init_app(app)

            @app.teardown_appcontext
            def told(error):
                print(f"TEARDOWN {g.get('name')} {error!r}", flush=True)

            return app
    """,
    "jobs.py": """
        import asyncio
        from flask import current_app, g
        import fastkiq

        class Greet(fastkiq.Worker, retry=False):
            def perform(self, name):
                assert "name" not in g
                g.name = name
                print(f"{current_app.config['GREETING']} {name}", flush=True)
                if name == "nobody":
                    raise ValueError(name)

        class Wave(fastkiq.Worker):
            async def perform(self, name):
                assert "name" not in g
                g.name = name
                await asyncio.sleep(0.05)
                assert g.name == name
                print(f"{current_app.config['GREETING']} from afar {name}", flush=True)
    """,
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, source in SHOP.items():
        file = tmp_path / "shop" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(source))
    return tmp_path


@pytest.fixture
def flask_process(shop: Path, redis_url: str) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*arguments: str) -> Child:
        environment = clean_environment({"FLASK_FASTKIQ_REDIS_URL": redis_url, "FLASK_FASTKIQ__CONCURRENCY": "3"})
        command = [sys.executable, "-m", "flask", "--app", "shop", "fastkiq", *arguments]
        children.append(Child(command, shop, environment))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture(autouse=True)
def own_apps() -> Iterator[None]:
    before = dict(flask_context._apps)
    flask_context._apps.clear()
    yield
    flask_context._apps.clear()
    flask_context._apps.update(before)


def test_jobs_run_in_the_application_context(flask_process: Callable[..., Child], redis: Redis) -> None:
    child = flask_process("process")
    client = fastkiq.Client()
    for name in ("ann", "bob"):
        client.push("shop.jobs.Greet", name)
        client.push("shop.jobs.Wave", name)
    client.push("shop.jobs.Greet", "nobody")
    for name in ("ann", "bob"):
        child.wait_for(f"hello {name}")
        child.wait_for(f"hello from afar {name}")
    child.wait_for(lambda output: output.count("TEARDOWN ann None") == 2)
    child.wait_for("TEARDOWN nobody ValueError('nobody')")
    assert "3 threads" in child.output()
    assert child.stop() == 0


def test_other_commands_know_the_settings(flask_process: Callable[..., Child], redis: Redis) -> None:
    fastkiq.Client().push("shop.jobs.Greet", "ann")
    stats = flask_process("queues")
    assert stats.wait() == 0
    assert "default" in stats.output()
    wrong = flask_process("process", "--frobnicate")
    assert wrong.wait() == 2
    assert "no such option" in wrong.output().lower()


def test_settings(config: Config, redis_url: str) -> None:
    app = Flask("one")
    app.config.update(FASTKIQ={"CONCURRENCY": 3, "timeout": 7}, FASTKIQ_QUEUES=["mail"], FASTKIQ_TIMEOUT=8)
    extension = Fastkiq(app)
    assert app.extensions["fastkiq"] is extension
    assert (config.concurrency, config.timeout, config.queues) == (3, 8.0, [("mail", 0)])
    assert extension.config is config
    wrong = Flask("two")
    wrong.config["FASTKIQ_CONCURRENTY"] = 3
    with pytest.raises(fastkiq.ConfigError, match=r"app.config: unknown setting 'concurrenty'.*concurrency"):
        Fastkiq(wrong)
    wrong.config = flask.Config(".", {"FASTKIQ": 3})
    with pytest.raises(fastkiq.ConfigError, match="must be a dict"):
        Fastkiq(wrong)


def test_contexts_nest_and_several_applications_are_told_apart(config: Config, tmp_path: Path) -> None:
    near = Flask("near", root_path=str(Path(__file__).parent))
    nearer = Flask("nearer", root_path=str(Path(__file__).parent))
    far = Flask("far", root_path=str(tmp_path))
    extension = Fastkiq(near)
    extension.init_app(nearer)
    Fastkiq(far)
    seen: list[Any] = []

    class Inner(fastkiq.Worker):
        def perform(self) -> None:
            seen.append((current_app.name, "mark" in g))

    class Outer(fastkiq.Worker):
        def perform(self) -> None:
            g.mark = True
            Inner.perform_inline()
            seen.append((current_app.name, "mark" in g))

    Outer.perform_inline()
    assert seen == [("nearer", False), ("nearer", True)]
    assert len(config.server_middleware) == 1
    with far.app_context():
        Inner.perform_inline()
    assert seen[-1] == ("far", False)
    again = Flask("near", root_path=str(Path(__file__).parent))
    again.config["NAME"] = "again"
    Fastkiq(again)

    class Which(fastkiq.Worker):
        def perform(self) -> None:
            seen.append(current_app.config.get("NAME"))

    Which.perform_inline()
    assert seen[-1] == "again"


def test_the_web_ui_behind_flask_login(redis: Redis, redis_url: str) -> None:
    from flask_login import LoginManager, UserMixin, current_user, login_user

    class User(UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    app = Flask("behind")
    app.secret_key = "s" * 32
    manager = LoginManager(app)
    manager.login_view = "login"
    manager.user_loader(User)

    @app.route("/login")
    def login() -> str:
        login_user(User(request.args["name"]))
        return "in"

    def is_admin() -> Any:
        if not current_user.is_authenticated:
            return manager.unauthorized()
        return current_user.id == "boss" and fastkiq.web.Access(current_user.id, read_only=False)

    app.register_blueprint(web_ui(is_admin, redis_url=redis_url), url_prefix="/ops/jobs")
    with app.test_request_context():
        assert flask.url_for("fastkiq.show") == "/ops/jobs/"
    fastkiq.Client().push("shop.jobs.Greet", "ann")
    with serve_wsgi(app) as base:
        nobody = ask(f"{base}/ops/jobs/queues")
        assert nobody.status == 302
        assert nobody.headers["Location"].startswith("/login?next=")

        def cookie(name: str) -> dict[str, str]:
            answer = ask(f"{base}/login?name={name}")
            return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}

        assert ask(f"{base}/ops/jobs/", headers=cookie("guest")).status == 403
        boss = cookie("boss")
        assert ask(f"{base}/ops/jobs", headers=boss).status == 308
        page = ask(f"{base}/ops/jobs/", headers=boss)
        assert page.status == 200
        assert 'href="/ops/jobs/queues"' in page.text
        assert ask(f"{base}/ops/jobs/queues/default", headers=boss).status == 200
        assert ask(f"{base}/ops/jobs/queues/%ff", headers=boss).status in (400, 404)
        static = next(part for part in page.text.split('"') if "/static/" in part)
        assert ask(base + static, headers=boss).status == 200
        refused = ask(f"{base}/ops/jobs/queues/default", method="POST", form={"pause": "1"}, headers=boss)
        assert refused.status == 403
        done = post(f"{base}/ops/jobs/queues/default", {"pause": "1"}, **boss)
        assert done.status in (302, 303), done.text
        assert done.headers["Location"].startswith("/ops/jobs/queues")
        assert redis.smembers("paused") == {b"default"}


def test_head_leaves_no_task_that_waits(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("heads")
    app.register_blueprint(web_ui(lambda: True, redis_url=redis_url), url_prefix="/jobs")
    with serve_wsgi(app) as base:
        for _ in range(3):
            assert ask(f"{base}/jobs/", method="HEAD").status == 200
        assert ask(f"{base}/jobs/").status == 200
    for _ in range(3):
        gc.collect()  # asyncio's error log names a task that is destroyed while it waits
    assert "destroyed" not in caplog.text


def test_nobody_is_let_in_unless_somebody_says_so(redis_url: str) -> None:
    app = Flask("closed")
    app.register_blueprint(web_ui(lambda: None, redis_url=redis_url), url_prefix="/jobs")
    app.register_blueprint(web_ui(lambda: True, name="open", redis_url=redis_url), url_prefix="/<tenant>/öffen")

    @app.before_request
    def guard() -> Any:
        return redirect("/login") if request.headers.get("X-Guard") else None

    @app.url_value_preprocessor
    def tenant(_: str | None, values: dict[str, Any] | None) -> None:
        (values or {}).pop("tenant", None)

    with serve_wsgi(app) as base:
        assert ask(f"{base}/jobs/").status == 403
        page = ask(f"{base}/acme/%C3%B6ffen/")
        assert page.status == 200
        assert 'href="/acme/%C3%B6ffen/queues"' in page.text
        assert ask(f"{base}/acme/%C3%B6ffen/queues").status == 200
        assert ask(f"{base}/acme/%C3%B6ffen/queues", headers={"X-Guard": "1"}).status == 302


@pytest.mark.parametrize(
    "answer",
    ["boss", "<h1>Please log in</h1>", "", 1, ["boss"], {"user": "boss"}, object(), b"boss", fastkiq.web.Access],
    ids=["name", "page", "empty", "number", "list", "dict", "object", "bytes", "class"],
)
def test_what_is_no_answer_lets_nobody_in(redis_url: str, caplog: pytest.LogCaptureFixture, answer: object) -> None:
    app = Flask("strict")
    app.register_blueprint(web_ui(lambda: answer, redis_url=redis_url), url_prefix="/jobs")
    page = app.test_client().get("/jobs/")
    assert page.status_code == 500
    assert b"Queues" not in page.data
    assert "must answer True, False, fastkiq.web.Access(name) or a response" in caplog.text
    assert f"flask.make_response makes one), not {type(answer).__name__}" in caplog.text


@pytest.mark.parametrize(("answer", "status"), [(("who are you?", 401), 401), (flask.Response("no", 418), 418)])
def test_a_response_is_sent(redis_url: str, answer: object, status: int) -> None:
    app = Flask("polite")
    app.register_blueprint(web_ui(lambda: answer, redis_url=redis_url), url_prefix="/jobs")
    assert app.test_client().get("/jobs/").status_code == status


def test_the_page_of_flask_login_is_no_name(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An `unauthorized_handler` answers what a view does: a text, say, and this function hands it on."""
    from flask_login import LoginManager, UserMixin, current_user

    app = Flask("handler")
    app.secret_key = "s" * 32
    manager = LoginManager(app)
    manager.user_loader(lambda name: UserMixin())
    manager.unauthorized_handler(lambda: "Please log in")

    def is_admin() -> Any:
        return True if current_user.is_authenticated else manager.unauthorized()

    app.register_blueprint(web_ui(is_admin, redis_url=redis_url), url_prefix="/jobs")
    assert app.test_client().get("/jobs/").status_code == 500
    assert "not str" in caplog.text


def test_importing_it_loads_no_web_ui(tmp_path: Path) -> None:
    code = "import fastkiq.contrib.flask, sys; print([m for m in sys.modules if 'starlette' in m or m == 'redis'])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert answer.stdout == "[]\n"
