"""Headers of every answer, error pages, and hostile texts."""

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
import redis as redis_py

from fastkiq.api.connection import translated
from fastkiq.web.failures import of_redis
from fastkiq.web.view import viewing
from proxy import Proxy
from servers import Server
from web_probe import Deeds
from web_server import Answer, a_view, ask, post

Web = Callable[..., str]
POLICY = (
    "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
XSS = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{71*71}}"


def has_the_headers(answer: Answer) -> None:
    policy = answer.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert policy == POLICY.format(nonce)
    assert len(nonce) >= 20
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"]


def test_every_answer_has_the_headers_errors_too(web: Web, deeds: Deeds) -> None:
    base = web()
    answers = {
        200: ask(base + "/"),
        303: post(base + "/probe/change"),
        400: ask(base + "/probe?count=x"),
        403: ask(base + "/", headers={"Host": "evil.example"}),
        404: ask(base + "/nowhere"),
        405: ask(base + "/", method="PUT"),
        413: ask(base + "/", method="POST", headers={"Content-Length": "2000000"}),
        500: ask(base + "/probe/fail"),
    }
    for status, answer in answers.items():
        assert answer.status == status
        has_the_headers(answer)
        assert answer.headers["cache-control"] == "private, no-store"
    unknown = ask(web(token="t") + "/")
    assert unknown.status == 401
    has_the_headers(unknown)


def test_a_nonce_is_for_one_answer(web: Web) -> None:
    base = web()
    nonces = {ask(base + "/").headers["content-security-policy"] for _ in range(3)}
    assert len(nonces) == 3


def test_no_page_has_an_inline_script_or_style(web: Web, deeds: Deeds) -> None:
    base = web()
    for path in ("/", "/probe", "/nowhere"):
        text = ask(base + path).text
        assert "<style" not in text
        assert " style=" not in text
        assert " on" + "click" not in text
        for tag in text.split("<script")[1:]:
            attributes = tag.partition(">")[0]
            assert 'type="application/json"' in attributes or ("nonce=" in attributes and "src=" in attributes)


def test_hostile_texts_stay_texts(web: Web, deeds: Deeds) -> None:
    base = web()
    for path in (
        f"/probe?text={quote(XSS)}",
        f"/{quote(XSS)}",
        f"/probe?count={quote(XSS)}",
        f"/preferences?theme={quote(XSS)}",
    ):
        text = ask(base + path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "5041" not in text


def test_a_failure_is_in_the_log_and_not_on_the_page(web: Web, deeds: Deeds, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(web() + "/probe/fail")
    assert answer.status == 500
    assert "log of this server" in answer.text
    assert "a secret of the user" not in answer.text
    assert "Traceback" not in answer.text
    assert "a secret of the user" in caplog.text
    assert "GET /probe/fail failed" in caplog.text


@pytest.mark.parametrize("path", ["/api/nothing", "/stats/nothing"])
def test_programs_get_their_errors_as_json(web: Web, path: str) -> None:
    answer = ask(web() + path)
    assert answer.status == 404
    assert json.loads(answer.body) == {"error": "There is no such page.", "status": 404}
    refused = ask(web(token="t") + path)
    assert json.loads(refused.body)["status"] == 401


def test_without_redis_a_page_says_how_to_get_it(web: Web) -> None:
    answer = ask(web(redis_url="redis://user:hunter2@127.0.0.1:1/0") + "/")
    assert answer.status == 503
    assert "Is Redis running at redis://user:***@127.0.0.1:1/0" in answer.text
    assert "hunter2" not in answer.text
    assert 'href="/queues"' in answer.text, "the navigation is still there"


def test_a_redis_that_hangs_is_waited_for_as_long_as_configured(web: Web, proxy: Proxy) -> None:
    import fastkiq

    config = fastkiq.Config(redis_url=proxy.url, redis_timeout=0.3)
    base = web(config=config, redis_url=None)
    assert ask(base + "/").status == 200
    proxy.stall()
    assert ask(base + "/").status == 503


def test_a_wrong_password_is_said(web: Web, start_server: Callable[..., Server]) -> None:
    server = start_server("requirepass secret")
    answer = ask(web(redis_url=f"redis://:wrong@127.0.0.1:{server.port}") + "/")
    assert answer.status == 503
    assert "refuses the user name or password" in answer.text
    assert "wrong@" not in answer.text


@pytest.mark.parametrize(
    ("raised", "status", "text"),
    [
        (redis_py.ReadOnlyError("You can't write against a read only replica."), 503, "is a replica"),
        (redis_py.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), 507, "no memory left"),
        (redis_py.ResponseError("OOM command not allowed"), 507, "no memory left"),
        (redis_py.BusyLoadingError("Redis is loading the dataset in memory"), 503, "busy"),
        (redis_py.ResponseError("WRONGTYPE <b>"), 503, "WRONGTYPE &lt;b&gt;"),
    ],
)
def test_refused_writes_are_said(
    web: Web, deeds: Deeds, monkeypatch: pytest.MonkeyPatch, raised: Exception, status: int, text: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("web_probe.audit", refuse)
    answer = post(web() + "/probe/change")
    assert answer.status == status
    assert text in answer.text


def test_a_full_redis_and_a_replica_really_say_so(start_server: Callable[..., Server]) -> None:
    server = start_server("maxmemory 100kb", "maxmemory-policy noeviction")
    with server.client() as client:
        with pytest.raises(redis_py.RedisError) as full:
            client.set("other", b"y")
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(redis_py.RedisError) as replica:
            client.set("other", b"y")
    with viewing(a_view()):
        assert of_redis(translated(full.value))[0] == 507
        assert "is a replica" in of_redis(translated(replica.value))[1]


def test_a_message_is_shown_once_and_not_taken_by_the_refresh(web: Web, deeds: Deeds) -> None:
    base = web()
    answer = post(base + "/probe/change")
    assert (answer.status, answer.headers["location"]) == (303, "/probe")
    cookie = {"Cookie": f"fastkiq_flash={answer.cookie('fastkiq_flash')}"}
    refreshed = ask(base + "/probe", headers={**cookie, "X-Fastkiq-Live": "1"})
    assert "Changed what was ticked" not in refreshed.text
    assert refreshed.cookie("fastkiq_flash") is None
    shown = ask(base + "/probe", headers=cookie)
    assert "Changed what was ticked" in shown.text
    assert shown.cookie("fastkiq_flash") in ("", '""')


@pytest.mark.parametrize(
    "value", ["%", "1", "[]", '["ok"]', '["<b>","x"]', "%5B%22ok%22%2C%22%3Cscript%3E%22%5D", "x" * 9_000, "[" * 3_000]
)
def test_a_message_that_is_none(web: Web, deeds: Deeds, value: str) -> None:
    answer = ask(web() + "/probe", headers={"Cookie": f"fastkiq_flash={value}"})
    assert answer.status == 200
    assert "<script>" not in answer.text


def test_preferences_are_kept_and_lead_back_to_us(web: Web) -> None:
    base = web()
    answer = ask(base + "/preferences?theme=dark&language=de&back=/retries%3Fq%3D1")
    assert (answer.status, answer.headers["location"]) == (303, "/retries?q=1")
    assert (answer.cookie("fastkiq_theme"), answer.cookie("fastkiq_language")) == ("dark", "de")
    page = ask(base + "/", headers={"Cookie": "fastkiq_theme=dark; fastkiq_language=de"})
    assert '<html lang="de" dir="ltr" data-theme="dark">' in page.text
    for back in ("https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/%2F/evil.example"):
        location = ask(base + f"/preferences?back={quote(back)}").headers["location"]
        assert location.startswith("/")
        assert location[1:2] not in ("/", "\\")
    assert ask(base + "/preferences?theme=pink").status == 400
    assert 'data-theme="auto"' in ask(base + "/", headers={"Cookie": 'fastkiq_theme="><script>'}).text


def test_a_slash_at_the_end_leads_to_the_page(web: Web, deeds: Deeds) -> None:
    base = web()
    answer = ask(base + "/probe/")
    assert (answer.status, answer.headers["location"]) == (307, "/probe")
    assert ask(base + "//evil.example/").headers["location"] == "/evil.example"
