"""DNS rebinding: by which names the web UI may be called."""

from collections.abc import Callable

import pytest

import fastkiq
from fastkiq.web.security.hosts import HostList
from fastkiq.web.security.loopback import is_loopback
from web_server import ask, serve_asgi


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9292", "127.0.0.1:1", "[::1]:9292", "jobs.localhost", "127.9.9.9"]
)
def test_loopback_names_are_ours(web: Callable[..., str], host: str) -> None:
    assert ask(web() + "/", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.5", "a b", "user@localhost", ""],
)
def test_a_site_that_leads_its_own_name_here_is_refused(web: Callable[..., str], host: str) -> None:
    base = web()
    for path in ("/", "/stats", "/favicon.ico"):
        answer = ask(base + path, headers={"Host": host})
        assert answer.status == 403
        assert b"fastkiq</span>" not in answer.body or b'aria-label="Pages"' not in answer.body, "no navigation"


def test_no_host_and_two_hosts_are_refused(web: Callable[..., str]) -> None:
    import http.client

    for hosts in ([], ["localhost", "localhost"]):
        connection = http.client.HTTPConnection(web().removeprefix("http://"), timeout=10)
        connection.putrequest("GET", "/", skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 400
        connection.close()


def test_allowed_names_and_those_below(web: Callable[..., str]) -> None:
    base = web(allowed_hosts=["jobs.example.org", "*.internal.example"])
    for host, status in {
        "jobs.example.org": 200,
        "JOBS.example.org:8443": 200,
        "a.jobs.example.org": 403,
        "x.internal.example": 200,
        "y.x.internal.example": 200,
        "internal.example": 403,
        "evilinternal.example": 403,
        "localhost": 200,
    }.items():
        assert ask(base + "/", headers={"Host": host}).status == status, host


def test_with_a_check_of_its_own_any_name_will_do_unless_names_are_given(web: Callable[..., str]) -> None:
    assert ask(web(authorize=lambda request: True) + "/", headers={"Host": "shop.example"}).status == 200
    named = web(authorize=lambda request: True, allowed_hosts=["shop.example"])
    assert ask(named + "/", headers={"Host": "shop.example"}).status == 200
    assert ask(named + "/", headers={"Host": "other.example"}).status == 403


def test_the_address_that_is_listened_at_is_ours() -> None:
    assert HostList.of([], "10.1.2.3").allows("10.1.2.3:9292")
    assert not HostList.of([], "10.1.2.3").allows("10.1.2.4")
    assert HostList.of([], "fd00::1").allows("[fd00::1]:9292")
    everywhere = HostList.of([], "0.0.0.0")
    assert everywhere.allows("192.168.1.7:9292")
    assert everywhere.allows("[fd00::1]")
    assert not everywhere.allows("evil.example")


@pytest.mark.parametrize("name", ["https://jobs.example.org", "jobs.example.org:80", "a/b", "", "*", "a b"])
def test_what_is_no_name_is_an_error(name: str) -> None:
    with pytest.raises(fastkiq.ConfigError, match="not the name of a host"):
        HostList.of([name])
    with pytest.raises(fastkiq.ConfigError, match="list of names"):
        HostList.of("jobs.example.org")


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost.", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False), ("", False),
        ("127.0.0.1.nip.io", False),
    ],
)  # fmt: skip
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_a_refusal_says_what_to_do_and_escapes_the_name(web: Callable[..., str]) -> None:
    answer = ask(web() + "/", headers={"Host": "<script>alert(1)</script>"})
    assert answer.status == 403
    assert "<script>alert" not in answer.text
    assert "allowed_hosts" in answer.text


def test_websockets_are_turned_away(redis_url: str) -> None:
    import asyncio

    from fastkiq.web import app

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/", "headers": []}
    asyncio.run(app(redis_url=redis_url)(scope, receive, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_serving(redis_url: str) -> None:
    from fastkiq.web import app

    with serve_asgi(app(redis_url=redis_url)) as base:
        assert ask(base + "/").status == 200
