"""FastAPI and Starlette: the lifespan with workers in the web process, the dependency, the web UI behind one."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from redis import Redis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import fastkiq
import fastkiq.web
from children import Child, clean_environment
from fastkiq import Config, client
from fastkiq.contrib.fastapi import JobClient, job_client, web_ui
from fastkiq.contrib.starlette import lifespan
from servers import Server, free_port, wait_until
from web_server import Answer, ask, post, serve_asgi

APP = """
import asyncio, os, time
import fastkiq
from fastapi import FastAPI
from fastkiq.contrib.fastapi import JobClient, lifespan

class Work(fastkiq.Worker):
    def perform(self, name, seconds=0):
        print(f"BEGUN {name} in {os.getpid()}", flush=True)
        time.sleep(seconds)

class Wait(fastkiq.Worker):
    async def perform(self, name):
        await asyncio.sleep(0.01)
        print(f"WAITED {name}", flush=True)

app = FastAPI(lifespan=lifespan(workers=True, concurrency=2, timeout=0.5))

@app.post("/{name}")
async def enqueue(name: str, jobs: JobClient, seconds: float = 0):
    await Wait.aperform_async(name)
    return {"jid": await jobs.apush(Work, name, seconds)}
"""


@pytest.fixture
def uvicorn(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., tuple[Child, str]]]:
    children: list[Child] = []

    def start(*arguments: str) -> tuple[Child, str]:
        port = free_port()
        (tmp_path / "app.py").write_text(dedent(APP))
        command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), *arguments]
        children.append(Child(command, tmp_path, clean_environment({"FASTKIQ_REDIS_URL": redis_url})))
        return children[-1], f"http://127.0.0.1:{port}"

    yield start
    for child in children:
        child.close()


def enqueue(url: str) -> Answer:
    """Asks until somebody listens: uvicorn says that it has started a moment before that."""

    def answer() -> Answer | None:
        with suppress(ConnectionError):
            return ask(url, method="POST")
        return None

    found = wait_until(answer, 10, url)
    assert found is not None
    return found


def test_workers_live_and_end_with_the_web_process(uvicorn: Callable[..., tuple[Child, str]], redis: Redis) -> None:
    child, base = uvicorn()
    child.wait_for("Uvicorn running")
    assert redis.scard("processes") == 1
    assert len(json.loads(enqueue(f"{base}/ann").text)["jid"]) == 24
    child.wait_for(f"BEGUN ann in {child.pid}")
    child.wait_for("WAITED ann")
    enqueue(f"{base}/long?seconds=60")
    child.wait_for("BEGUN long")
    assert child.stop(10) in (0, -signal.SIGTERM)
    assert redis.scard("processes") == 0
    assert redis.llen("queue:default") == 1, "the long job is back"
    assert "Traceback" not in child.output()


def test_with_several_processes(uvicorn: Callable[..., tuple[Child, str]], redis: Redis) -> None:
    child, base = uvicorn("--workers", "2")
    wait_until(lambda: redis.scard("processes") == 2, 20, "two processes")
    child.wait_for(lambda output: output.count("Application startup complete") == 2)
    for number in range(4):
        enqueue(f"{base}/n{number}?seconds=0.2")
    text = child.wait_for(lambda output: output.count("BEGUN n") == 4)
    assert f"in {child.pid}\n" not in text
    child.stop(15)
    assert redis.scard("processes") == 0


def test_with_reload(uvicorn: Callable[..., tuple[Child, str]], redis: Redis, tmp_path: Path) -> None:
    child, base = uvicorn("--reload")
    child.wait_for("Application startup complete")
    enqueue(f"{base}/ann")
    child.wait_for("BEGUN ann")
    (first,) = redis.smembers("processes")
    (tmp_path / "app.py").write_text(dedent(APP).replace("BEGUN", "BEGUN ANEW"))
    os.utime(tmp_path / "app.py", (2_000_000_000, 2_000_000_000))
    child.wait_for(lambda output: output.count("Application startup complete") == 2, 25)
    wait_until(lambda: redis.scard("processes") == 1 and not redis.sismember("processes", first), 10, "the successor")
    enqueue(f"{base}/bob")
    child.wait_for("BEGUN ANEW bob")
    child.stop(15)
    wait_until(lambda: redis.scard("processes") == 0, 10, "the end of all")


def test_the_own_lifespan_lives_around_the_workers(config: Config, redis: Redis) -> None:
    told: list[Any] = []
    ran = threading.Event()

    class Job(fastkiq.Worker):
        def perform(self) -> None:
            told.append("job")
            ran.set()

    @asynccontextmanager
    async def own(app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:
        told.append("opened")
        yield {"pool": "a pool"}
        told.append("closed")

    config.on("startup", lambda: told.append("workers started"))
    config.on("exit", lambda: told.append("workers stopped"))

    async def home(request: Request) -> PlainTextResponse:
        await Job.aperform_async()
        return PlainTextResponse(request.state.pool)

    app = Starlette(routes=[Route("/", home)], lifespan=lifespan(own, workers=True, concurrency=1))
    for _ in range(2):  # tests start an application again and again
        told.clear()
        ran.clear()
        with serve_asgi(app) as base:
            assert ask(f"{base}/").text == "a pool"
            assert ran.wait(10)
        assert told == ["opened", "workers started", "job", "workers stopped", "closed"]
    assert config.concurrency == 1
    assert redis.scard("processes") == 0


def test_the_loop_goes_on_while_workers_stop(config: Config, redis: Redis) -> None:
    begun = threading.Event()

    class Long(fastkiq.Worker):
        def perform(self) -> None:
            begun.set()
            threading.Event().wait(1.0)

    async def run() -> float:
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            before = asyncio.get_running_loop().time()
            while True:
                await asyncio.sleep(0.01)
                longest = max(longest, asyncio.get_running_loop().time() - before)
                before = asyncio.get_running_loop().time()

        watching = asyncio.create_task(watch())
        async with lifespan(workers=True)(None):
            await Long.aperform_async()
            await asyncio.to_thread(begun.wait, 10)
        watching.cancel()
        return longest

    assert asyncio.run(run()) < 0.7


def test_a_start_without_redis_fails_and_closes(config: Config) -> None:
    config.redis_url = "redis://127.0.0.1:1/0"
    told: list[str] = []

    @asynccontextmanager
    async def own(app: Any) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            told.append("closed")

    async def run(chosen: Any) -> None:
        async with chosen(None):
            told.append("served")

    with pytest.raises(fastkiq.RedisConnectionError):
        asyncio.run(run(lifespan(own, workers=True)))
    assert told == ["closed"]
    asyncio.run(run(lifespan(own)))  # who only enqueues starts without it
    assert told == ["closed", "served", "closed"]


def test_modules_named_by_require_are_loaded(
    config: Config, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "required_jobs.py").write_text(
        "import fastkiq\nclass Job(fastkiq.Worker):\n    def perform(self): ran.set()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fastkiq.Client().push("required_jobs.Job")
    with serve_asgi(Starlette(lifespan=lifespan(workers=True, require=["required_jobs"]))):
        wait_until(lambda: redis.llen("queue:default") == 0, 10, "the job to be taken")
        assert "required_jobs" in sys.modules
    del sys.modules["required_jobs"]


def test_what_waits_in_the_outage_buffer_is_sent_at_the_end(
    config: Config, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    config.update({"redis_url": server.url, "outage_buffer": 10}, source="test")
    with serve_asgi(Starlette(lifespan=lifespan())):
        fastkiq.Client()
        client.default().push("Some", 1)
        server.kill()
        client.default().push("Some", 2)
        assert client.default().buffered == 1
        server.start()
    with server.client() as redis:
        assert redis.lrange("queue:default", 0, -1)[0].find(b"[2]") > 0
    assert client.default()._core is None


def test_the_dependency_is_easy_to_replace(redis: Redis) -> None:
    class Mail(fastkiq.Worker):
        def perform(self, to: str) -> None: ...

    app = FastAPI()

    @app.post("/async/{to}")
    async def one(to: str, jobs: JobClient) -> str | None:
        return await jobs.apush(Mail, to, in_=60)

    @app.post("/many/{to}")
    async def many(to: str, jobs: JobClient) -> list[str]:
        return list(await jobs.apush_bulk(Mail, [(to,), (to,)], queue="low"))

    @app.post("/sync/{to}")
    def other(to: str, jobs: JobClient) -> str | None:
        return jobs.push(Mail, to)

    pushed: list[Any] = []

    class Fake:
        async def apush(self, *args: Any, **said: Any) -> str:
            pushed.append((args, said))
            return "a jid"

    with serve_asgi(app) as base:

        def jids(path: str) -> Any:
            return json.loads(ask(base + path, method="POST").text)

        assert len(jids("/async/ann")) == 24
        assert redis.zcard("schedule") == 1
        assert len(jids("/many/ann")) == 2
        assert redis.llen("queue:low") == 2
        assert len(jids("/sync/ann")) == 24
        assert redis.llen("queue:default") == 1
        app.dependency_overrides[job_client] = Fake
        assert jids("/async/bob") == "a jid"
        assert pushed == [((Mail, "bob"), {"in_": 60})]


def current_user(request: Request) -> str:
    name = request.headers.get("x-user")
    if name is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Own"})
    return name


async def admin(user: Annotated[str, Depends(current_user)]) -> AsyncGenerator[Any]:
    yield {"boss": fastkiq.web.Access(user), "reader": fastkiq.web.Access(user, read_only=True), "no": None}[user]


@pytest.mark.parametrize(("outer", "within_path"), [("", True), ("/api", True), ("/api", False)])
def test_the_web_ui_behind_a_dependency(redis: Redis, redis_url: str, outer: str, within_path: bool) -> None:
    app = FastAPI()

    async def proxied(scope: Any, receive: Any, send: Any) -> None:
        """As servers make the scope from `--root-path`: those of today have it in the path, too."""
        if scope["type"] == "http":
            scope |= {"root_path": outer, "path": (outer if within_path else "") + scope["path"]}
        await app(scope, receive, send)

    inner = APIRouter(prefix="/ops")
    inner.include_router(web_ui(admin, redis_url=redis_url), prefix="/{tenant}/jobs")
    app.include_router(inner)
    fastkiq.Client().push("Mail", "ann")
    assert all("jobs" not in path for path in app.openapi()["paths"])
    with serve_asgi(proxied) as base:
        jobs = f"{base}/ops/acme/jobs"
        refused = ask(f"{jobs}/")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == "Own"
        assert ask(f"{jobs}/", headers={"X-User": "no"}).status == 403
        page = ask(f"{jobs}/", headers={"X-User": "boss"})
        assert page.status == 200
        assert f'href="{outer}/ops/acme/jobs/queues"' in page.text
        static = next(part for part in page.text.split('"') if "/static/" in part)
        assert ask(base + static.removeprefix(outer), headers={"X-User": "boss"}).status == 200
        assert ask(f"{jobs}/queues/default", headers={"X-User": "reader"}).status == 200
        assert ask(jobs, headers={"X-User": "boss"}).status == 307
        assert post(f"{jobs}/queues/default", {"pause": "1"}, X_User="reader").status in (403, 405)
        assert redis.smembers("paused") == set()
        assert post(f"{jobs}/queues/default", {"pause": "1"}, X_User="boss").status == 303
        assert redis.smembers("paused") == {b"default"}


@pytest.mark.parametrize("answer", [1, ["boss"], PlainTextResponse("go away")], ids=["number", "list", "response"])
def test_what_is_no_answer_lets_nobody_in(redis_url: str, answer: object) -> None:
    app = FastAPI()
    app.include_router(web_ui(lambda: answer, redis_url=redis_url), prefix="/jobs")

    @app.exception_handler(TypeError)
    async def told(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), 500)

    with serve_asgi(app) as base:
        page = ask(f"{base}/jobs/")
    assert page.status == 500
    assert page.text.startswith(
        "the dependency of web_ui() must answer True, False, a name or fastkiq.web.Access(name)"
    )
    assert f"not {type(answer).__name__};" in page.text
