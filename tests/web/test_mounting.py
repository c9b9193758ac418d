"""Mounted in one line under a prefix, in every framework: links, static files, forms and errors stay below it."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

import fastkiq.web
from web_probe import Deeds
from web_server import ask, post, serve_asgi, serve_wsgi

LINK = re.compile(r'(?:href|src|action)="([^"#][^"]*)"')
Serve = Callable[[Any], AbstractContextManager[str]]


def in_starlette(options: dict[str, Any]) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    return Starlette(
        routes=[
            Route("/", lambda request: PlainTextResponse("the host's own")),
            Mount("/ops/jobs", fastkiq.web.app(**options)),
        ]
    )


def in_fastapi(options: dict[str, Any]) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    host = FastAPI()
    host.get("/", response_class=PlainTextResponse)(lambda: "the host's own")
    host.mount("/ops/jobs", fastkiq.web.app(**options))
    return host


def in_django_asgi(options: dict[str, Any]) -> Any:
    from django.core.asgi import get_asgi_application

    return fastkiq.web.mount(get_asgi_application(), "/ops/jobs", **options)


def in_django_wsgi(options: dict[str, Any]) -> Any:
    from django.core.wsgi import get_wsgi_application

    return fastkiq.web.wsgi_mount(get_wsgi_application(), "/ops/jobs", **options)


def in_flask(options: dict[str, Any]) -> Any:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    host = Flask(__name__)
    host.get("/")(lambda: "the host's own")
    host.wsgi_app = DispatcherMiddleware(host.wsgi_app, {"/ops/jobs": fastkiq.web.wsgi_app(**options)})  # type: ignore[method-assign]
    return host


HOSTS: list[tuple[Callable[[dict[str, Any]], Any], Serve]] = [
    (in_starlette, serve_asgi),
    (in_fastapi, serve_asgi),
    (in_django_asgi, serve_asgi),
    (in_django_wsgi, serve_wsgi),
    (in_flask, serve_wsgi),
]


@pytest.fixture(params=HOSTS, ids=lambda host: host[0].__name__)
def mounted(request: pytest.FixtureRequest, redis_url: str, deeds: Deeds) -> Iterator[str]:
    """The URL of a host application with the web UI under /ops/jobs."""
    host, serve = request.param
    if "django" in host.__name__:
        request.getfixturevalue("django_project")
    with serve(host({"redis_url": redis_url})) as base:
        yield base


def test_every_link_of_a_page_stays_below_the_prefix_and_static_files_answer(mounted: str) -> None:
    assert ask(mounted + "/").text == "the host's own"
    page = ask(mounted + "/ops/jobs/")
    assert page.status == 200
    links = {urlsplit(link).path for link in LINK.findall(page.text)}
    assert len(links) > 10
    assert all(link.startswith("/ops/jobs/") for link in links)
    static = [link for link in links if "/static/" in link]
    assert len(static) >= 3
    for link in static:
        answer = ask(mounted + link)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]


def test_without_the_slash_it_leads_to_the_page(mounted: str) -> None:
    answer = ask(mounted + "/ops/jobs")
    if answer.status != 200:
        assert answer.status in (301, 307, 308)
        assert urlsplit(urljoin(mounted, answer.headers["location"])).path == "/ops/jobs/"


def test_forms_come_back_to_where_they_were(mounted: str, deeds: Deeds) -> None:
    answer = post(mounted + "/ops/jobs/probe/change", {"action": "retry", "key": "ä&b"})
    assert (answer.status, answer.headers["location"]) == (303, "/ops/jobs/probe")
    assert deeds.done == [{"action": "retry", "keys": ["ä&b"], "class": ""}]
    assert "Path=/ops/jobs/" in answer.headers["set-cookie"]
    refused = ask(mounted + "/ops/jobs/probe/change", method="POST", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status == 403


def test_errors_are_ours_and_have_our_headers(mounted: str) -> None:
    for path, status in (("/ops/jobs/nowhere", 404), ("/ops/jobs/probe/fail", 500), ("/ops/jobs/probe?count=x", 400)):
        answer = ask(mounted + path)
        assert answer.status == status
        assert "nonce-" in answer.headers["content-security-policy"]
        assert 'href="/ops/jobs/queues"' in answer.text
    assert ask(mounted + "/ops/jobsearch").status == 404
    assert "content-security-policy" not in ask(mounted + "/ops/jobsearch").headers, "that one is the host's"


def test_json_and_redirects_know_the_prefix(mounted: str) -> None:
    import json

    assert json.loads(ask(mounted + "/ops/jobs/api/probe").body) == {"path": "/api/probe", "url": "/ops/jobs/probe"}
    assert ask(mounted + "/ops/jobs/probe/").headers["location"] == "/ops/jobs/probe"
    assert ask(mounted + "/ops/jobs/preferences?back=/retries").headers["location"] == "/ops/jobs/retries"


def test_hostile_addresses_are_no_failure_of_the_host(mounted: str) -> None:
    for path in ("/%ff", "/%00", "/a%0d%0aX-Evil:1", "/" + "x" * 3_000, "/%e2%80%ae", "/?q=%ff", "//evil.example"):
        answer = ask(mounted + "/ops/jobs" + path)
        assert answer.status in (200, 400, 404), path
        assert "x-evil" not in answer.headers


def test_behind_a_proxy_that_takes_the_prefix_off(web: Callable[..., str], deeds: Deeds) -> None:
    base = web(prefix="/ops/jobs/")
    for path in ("/probe", "/ops/jobs/probe"):
        page = ask(base + path)
        assert page.status == 200
        assert 'href="/ops/jobs/queues"' in page.text
    assert post(base + "/probe/change").headers["location"] == "/ops/jobs/probe"


def test_wsgi_works_in_a_child_forked_after_the_first_request(redis_url: str) -> None:
    """As with `gunicorn --preload`: the thread of the bridge stays behind in the parent."""
    import os

    application = fastkiq.web.wsgi_app(redis_url=redis_url)
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/favicon.ico", "QUERY_STRING": "",
        "HTTP_HOST": "localhost",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http", "wsgi.input": None,
    }  # fmt: skip

    def status() -> str:
        seen: list[str] = []
        list(application(dict(environ), lambda status, headers, info=None: seen.append(status)))
        return seen[0]

    assert status() == "200 OK"
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if status() == "200 OK" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
