"""Who may come in: nobody but loopback, a password, a token, or whom the host application lets in."""

from base64 import b64encode
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest

import fastkiq
from fastkiq.web import Access
from web_probe import Deeds
from web_server import ask, post

Web = Callable[..., str]


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_without_any_check_browsers_on_this_machine_are_served(web: Web) -> None:
    assert ask(web() + "/").status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_without_any_check_whoever_comes_by_a_proxy_is_refused(web: Web, header: str) -> None:
    answer = ask(web() + "/", headers={header: "203.0.113.9"})
    assert answer.status == 403
    assert "authorize=callable" in answer.text


def test_without_any_check_a_client_from_elsewhere_is_refused(web: Web, redis_url: str) -> None:
    import asyncio

    from fastkiq.web import app

    def status(client: Any) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        scope = {
            "type": "http", "method": "GET", "path": "/favicon.ico", "query_string": b"", "client": client,
            "headers": [(b"host", b"localhost")],
        }  # fmt: skip
        asyncio.run(app(redis_url=redis_url)(scope, receive, send))
        return int(sent[0]["status"])

    assert status(("127.0.0.1", 1)) == 200
    assert status(("203.0.113.9", 1)) == 403
    assert status(None) == 403, "a socket file: nobody knows who is behind it"


def test_a_password(web: Web) -> None:
    base = web(username="ops", password="pä:ss")
    assert ask(base + "/", headers=basic("ops", "pä:ss")).status == 200
    for headers in (
        {},
        basic("ops", "wrong"),
        basic("other", "pä:ss"),
        basic("", ""),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + "A" * 10_000},
        bearer("pä:ss".encode().decode("latin-1")),
    ):
        for path in ("/", "/nowhere", "/favicon.ico"):
            answer = ask(base + path, headers=headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="fastkiq", charset="UTF-8"'


def test_a_token(web: Web) -> None:
    base = web(token="s3cret-token")
    assert ask(base + "/", headers=bearer("s3cret-token")).status == 200
    for headers in ({}, bearer("s3cret"), bearer(""), basic("x", "s3cret-token"), {"Authorization": "s3cret-token"}):
        answer = ask(base + "/", headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="fastkiq"'


def test_with_a_password_other_machines_and_proxies_are_served(web: Web) -> None:
    base = web(username="ops", password="secret")
    headers = {**basic("ops", "secret"), "X-Forwarded-For": "203.0.113.9", "Host": "jobs.example.org"}
    assert ask(base + "/", headers=headers).status == 200


def test_a_failed_attempt_is_logged_without_the_secret(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    ask(web(username="ops", password="secret") + "/", headers=basic("ops", "hunter2"))
    assert "wrong user name, password or token from 127.0.0.1" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"username": "a"}, {"password": "b"}, {"username": "", "password": "b"}, {"username": "a", "password": ""},
        {"username": "a:b", "password": "c"}, {"token": ""}, {"token": "with space"}, {"token": "ü"},
        {"authorize": "yes"}, {"prefix": "jobs"}, {"prefix": "//evil"}, {"secret": "short"},
    ],
)  # fmt: skip
def test_settings_that_would_let_everybody_in_are_errors(redis_url: str, options: dict[str, Any]) -> None:
    from fastkiq.web import app

    with pytest.raises(fastkiq.ConfigError):
        app(redis_url=redis_url, **options)


def test_authorize_decides(web: Web) -> None:
    asked: list[str] = []

    def authorize(request: Any) -> bool:
        asked.append(request.url.path)
        return request.headers.get("x-admin") == "yes"

    base = web(authorize=authorize)
    assert ask(base + "/", headers={"X-Admin": "yes"}).status == 200
    answer = ask(base + "/")
    assert answer.status == 403
    assert "not allowed" in answer.text
    assert asked == ["/", "/"]


def test_authorize_may_be_a_coroutine_function_or_an_object_with_one(web: Web) -> None:
    async def authorize(request: Any) -> bool:
        return "x-admin" in request.headers

    class Check:
        async def __call__(self, request: Any) -> bool:
            return await authorize(request)

    for check in (authorize, Check()):
        base = web(authorize=check)
        assert ask(base + "/").status == 403
        assert ask(base + "/", headers={"X-Admin": "1"}).status == 200


def test_an_authorize_that_fails_lets_nobody_in(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    def authorize(request: Any) -> bool:
        raise LookupError("no such session")

    answer = ask(web(authorize=authorize) + "/")
    assert answer.status == 500
    assert "no such session" not in answer.text
    assert "no such session" in caplog.text


@pytest.mark.parametrize("found", [object(), 1, ["ann"], ask], ids=["object", "number", "list", "function"])
def test_an_authorize_that_answers_an_object_lets_nobody_in(
    web: Web, caplog: pytest.LogCaptureFixture, found: object
) -> None:
    assert ask(web(authorize=lambda request: found) + "/").status == 500
    assert "authorize must answer True, False, a name or an Access" in caplog.text
    caplog.clear()


def test_a_refusal_has_its_styles_and_nothing_else_is_given_away(web: Web) -> None:
    base = web(authorize=lambda request: False)
    page = ask(base + "/")
    assert page.status == 403
    static = [part for part in page.text.split('"') if "/static/" in part]
    assert len(static) >= 3
    for path in static:
        assert ask(base + path).status == 200
        assert ask(base + path, method="POST").status == 403
    assert ask(f"{base}/static/x/fastkiq.css/../../../").status == 403
    for path in (
        "/static/x/",
        "/static/x/nothing.css",
        "/static//queues",
        "/static/../queues",
        "/queues/static/x/fastkiq.css",
    ):
        assert ask(base + path).status == 403, path


@pytest.mark.parametrize("said", [{"who": None}, {"who": b"ann"}, {"who": ""}, {"who": "ann", "read_only": 0}])
def test_an_access_is_of_a_name_and_a_flag(said: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="the name is a text and not empty, read_only True or False"):
        Access(**said)


def test_a_name_may_be_a_kind_of_text() -> None:
    """As an enum's member, or what a template library has marked as safe."""
    assert Access(StrEnum("Role", ["ADMIN"]).ADMIN).who == "admin"


def test_authorize_or_the_token_as_well(web: Web) -> None:
    base = web(authorize=lambda request: "x-admin" in request.headers, token="t0ken")
    assert ask(base + "/", headers={"X-Admin": "1"}).status == 200
    assert ask(base + "/", headers=bearer("t0ken")).status == 200
    assert ask(base + "/").status == 401


def test_read_only_refuses_every_change_and_hides_the_buttons(web: Web, deeds: Deeds) -> None:
    base = web(read_only=True)
    page = ask(base + "/probe")
    assert page.status == 200
    assert 'method="post"' not in page.text
    assert "Read only" in page.text
    assert post(base + "/probe/change", {"action": "retry"}).status == 403
    assert post(base + "/nowhere").status == 403
    assert deeds.done == []


def test_authorize_may_let_somebody_look_only(web: Web, deeds: Deeds) -> None:
    base = web(authorize=lambda request: Access("guest", read_only=request.headers.get("x-who") == "guest"))
    assert post(base + "/probe/change", X_Who="guest").status == 403
    assert post(base + "/probe/change", X_Who="boss").status == 303
    assert len(deeds.done) == 1


@pytest.mark.parametrize(
    ("options", "headers", "who"),
    [
        ({}, {}, "-"),
        ({"username": "ops", "password": "x"}, basic("ops", "x"), "ops"),
        ({"token": "t0ken"}, bearer("t0ken"), "token"),
        ({"authorize": lambda request: True}, {}, "authorize"),
        ({"authorize": lambda request: "ann\n who=bob"}, {}, '"ann\\\\n who=bob"'),
    ],
)
def test_the_audit_log_says_who_did_what_from_where(
    web: Web, deeds: Deeds, caplog: pytest.LogCaptureFixture, options: Any, headers: Any, who: str
) -> None:
    caplog.set_level("INFO", "fastkiq.web.audit")
    sent = {"Sec-Fetch-Site": "same-origin", **headers}
    form = [("action", "retry"), ("key", "1-a\n\x1b[31m"), ("key", "2-b")]
    assert ask(web(**options) + "/probe/change", method="POST", headers=sent, form=form).status == 303
    (record,) = [record for record in caplog.records if record.name == "fastkiq.web.audit"]
    message = record.getMessage()
    assert message == f"action=retry who={who} from=127.0.0.1 set=retry jid=2-b count=2"
