"""Everything that comes in is bounded, and what is wrong with it is said."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from web_probe import Deeds
from web_server import ask, post

Web = Callable[..., str]
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


def test_a_body_may_have_a_mebibyte(web: Web, deeds: Deeds) -> None:
    base = web()
    fits = b"action=retry&key=" + b"x" * 900
    assert ask(base + "/probe/change", method="POST", headers=FORM, body=fits).status == 303
    answer = ask(base + "/probe/change", method="POST", headers=FORM, body=b"key=" + b"x" * 1_048_576)
    assert answer.status == 413
    assert "1,048,576" in answer.text
    assert len(deeds.done) == 1


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off(web: Web, deeds: Deeds) -> None:
    parts = urlsplit(web())
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as line:
        head = "POST /probe/change HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
        line.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = b""
        try:
            for _ in range(40):
                line.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            answer = line.recv(4096)
        except OSError:  # it has hung up on us
            answer = answer or line.recv(4096)
    assert b"413" in answer.splitlines()[0]
    assert deeds.done == []


def test_a_form_may_have_a_thousand_fields(web: Web, deeds: Deeds) -> None:
    base = web()
    assert post(base + "/probe/change", [("key", str(index)) for index in range(1_000)]).status == 303
    answer = post(base + "/probe/change", [("key", str(index)) for index in range(2_000)])
    assert answer.status == 400
    assert "1,000 fields" in answer.text
    assert len(deeds.done) == 1


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "", "application/xml"])
def test_other_kinds_of_content_are_refused(web: Web, deeds: Deeds, kind: str) -> None:
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    assert ask(web() + "/probe/change", method="POST", headers=headers, body=b"a=b").status == 415
    assert deeds.done == []


@pytest.mark.parametrize("body", [b"key=\xff", b"key=%ff", b"key=%c3%28"])
def test_a_form_that_is_not_in_utf_8_is_refused(web: Web, deeds: Deeds, body: bytes) -> None:
    assert ask(web() + "/probe/change", method="POST", headers=FORM, body=body).status == 400


def test_json_is_for_programs_and_kept_as_it_is(web: Web, deeds: Deeds) -> None:
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    assert ask(web() + "/api/probe", method="POST", headers=headers, body=b'{"a": 1}').status == 200
    assert deeds.done == [{"action": "api", "body": '{"a": 1}'}]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(web: Web, method: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = ask(web() + "/", method=method, headers=headers)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_page_that_takes_no_post(web: Web) -> None:
    answer = post(web() + "/")
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


def test_head_has_no_body(web: Web) -> None:
    answer = ask(web() + "/", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("count", ["0", "101", "-1", "1e3", "abc", "٣", "9" * 5_000, "1_0", " 5", "0x10"])
def test_a_number_out_of_bounds_is_a_400_that_says_the_bounds(web: Web, deeds: Deeds, count: str) -> None:
    from urllib.parse import quote

    answer = ask(web() + f"/probe?count={quote(count)}")
    assert answer.status == 400
    assert "count must be a whole number from 1 to 100." in answer.text


@pytest.mark.parametrize("count", ["1", "100", ""])
def test_a_number_within_bounds(web: Web, deeds: Deeds, count: str) -> None:
    assert ask(web() + f"/probe?count={count}").status == 200


def test_texts_are_bounded(web: Web, deeds: Deeds) -> None:
    base = web()
    assert ask(base + "/probe?text=" + "x" * 1_000).status == 200
    assert ask(base + "/probe?text=" + "x" * 1_001).status == 400
    assert ask(base + "/probe?text=%00").status == 400
    assert ask(base + "/probe?text=" + "x" * 10_000).status == 400
    assert post(base + "/probe/change", {"key": "x" * 1_001}).status == 400


@pytest.mark.parametrize("length", ["-1", "abc", "1" * 30])
def test_a_length_that_is_none(web: Web, length: str) -> None:
    parts = urlsplit(web())
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as line:
        line.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert line.recv(4096).split()[1] in (b"400", b"413")


def test_a_body_that_never_comes(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastkiq.web.security.limits.BODY_TIMEOUT", 0.2)
    parts = urlsplit(web())
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        assert line.recv(4096).split()[1] == b"408"
