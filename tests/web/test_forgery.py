"""Changes are taken from our own pages only."""

import re
from base64 import b64encode
from collections.abc import Callable

import pytest

from web_probe import Deeds
from web_server import Answer, ask, post

Web = Callable[..., str]
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def change(base: str, headers: dict[str, str], token: str | None = None) -> Answer:
    form = {"action": "retry", **({} if token is None else {"csrf_token": token})}
    return ask(base + "/probe/change", method="POST", headers=headers, form=form)


def form_token(base: str, headers: dict[str, str] | None = None) -> tuple[str, str]:
    """The token of a page's form, and that of its cookie."""
    page = ask(base + "/probe", headers=headers)
    found, cookie = TOKEN.search(page.text), page.cookie("fastkiq_csrf")
    assert found is not None
    assert cookie is not None
    return found[1], cookie


def test_a_browser_says_that_the_form_is_ours(web: Web, deeds: Deeds) -> None:
    assert post(web() + "/probe/change").status == 303
    assert len(deeds.done) == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "same-origin, cross-site"])
def test_a_browser_says_that_it_is_not(web: Web, deeds: Deeds, site: str) -> None:
    base = web()
    token, cookie = form_token(base)
    answer = change(base, {"Sec-Fetch-Site": site, "Cookie": f"fastkiq_csrf={cookie}"}, token)
    assert answer.status == 403
    assert deeds.done == []


def test_without_the_header_the_token_is_needed(web: Web, deeds: Deeds) -> None:
    base = web()
    token, cookie = form_token(base)
    other, _ = form_token(base)
    assert token == cookie != other
    held = {"Cookie": f"fastkiq_csrf={cookie}"}
    assert change(base, {}).status == 403
    assert change(base, held).status == 403, "the cookie alone comes with every request"
    assert change(base, {}, token).status == 403, "the form alone may have been copied"
    assert change(base, held, other).status == 403
    assert change(base, held, "").status == 403
    assert change(base, {"Cookie": "fastkiq_csrf=a.b"}, "a.b").status == 403, "not signed by us"
    planted = "0" * 32 + "." + "0" * 64
    assert change(base, {"Cookie": f"fastkiq_csrf={planted}"}, planted).status == 403
    assert deeds.done == []
    assert change(base, held, token).status == 303
    assert ask(base + "/api/probe", method="POST", headers={**held, "X-CSRF-Token": token}).status == 200
    assert len(deeds.done) == 2


def test_the_cookie_stays_the_same_and_is_for_us_alone(web: Web, deeds: Deeds) -> None:
    base = web()
    token, cookie = form_token(base)
    again, _ = form_token(base, {"Cookie": f"fastkiq_csrf={cookie}"})
    assert again == token, "forms of other tabs stay good"
    header = ask(base + "/probe").headers["set-cookie"].lower()
    assert "httponly" in header
    assert "samesite=strict" in header
    assert "path=/" in header


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", ""])
def test_without_the_header_another_origin_is_refused_though_the_token_fits(
    web: Web, deeds: Deeds, origin: str
) -> None:
    base = web()
    token, cookie = form_token(base)
    held = {"Cookie": f"fastkiq_csrf={cookie}"}
    assert change(base, {**held, "Origin": origin}, token).status == 403
    assert deeds.done == []
    assert change(base, {**held, "Origin": base}, token).status == 303


def test_behind_a_proxy_that_calls_us_otherwise_the_browsers_word_counts(web: Web, deeds: Deeds) -> None:
    base = web(authorize=lambda request: True)
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://jobs.example.org", "Host": "127.0.0.1:8000"}
    assert change(base, headers).status == 303


def test_a_token_is_worth_nothing_with_another_secret_or_another_user(web: Web, deeds: Deeds) -> None:
    first, second = web(secret="0123456789abcdef"), web(secret="fedcba9876543210")
    token, cookie = form_token(first)
    assert change(second, {"Cookie": f"fastkiq_csrf={cookie}"}, token).status == 403
    same = web(secret="0123456789abcdef")
    assert change(same, {"Cookie": f"fastkiq_csrf={cookie}"}, token).status == 303
    named = web(secret="0123456789abcdef", authorize=lambda request: request.headers["x-who"])
    token, cookie = form_token(named, {"X-Who": "ann"})
    assert change(named, {"X-Who": "bob", "Cookie": f"fastkiq_csrf={cookie}"}, token).status == 403
    assert change(named, {"X-Who": "ann", "Cookie": f"fastkiq_csrf={cookie}"}, token).status == 303


def test_a_bearer_token_needs_no_other_and_a_password_does(web: Web, deeds: Deeds) -> None:
    base = web(username="ops", password="secret", token="t0ken")
    basic = {"Authorization": "Basic " + b64encode(b"ops:secret").decode()}
    assert change(base, basic).status == 403
    assert change(base, {"Authorization": "Bearer t0ken"}).status == 303
    assert change(base, {**basic, "Sec-Fetch-Site": "same-origin"}).status == 303
    assert len(deeds.done) == 2


def test_a_browser_that_forges_with_its_users_password_is_refused(web: Web, deeds: Deeds) -> None:
    base = web(username="ops", password="secret")
    basic = {"Authorization": "Basic " + b64encode(b"ops:secret").decode(), "Sec-Fetch-Site": "cross-site"}
    assert change(base, basic).status == 403
    assert deeds.done == []


def test_without_a_script_a_dangerous_form_is_asked_about(web: Web, deeds: Deeds) -> None:
    base = web()
    asked = post(base + "/probe/clear", {"queue": '"><script>x</script>'})
    assert asked.status == 200
    assert "Clear the queue?" in asked.text
    assert "<script>x" not in asked.text
    assert deeds.done == []
    assert 'value="&#34;&gt;&lt;script&gt;x&lt;/script&gt;"' in asked.text
    assert post(base + "/probe/clear", {"queue": "low", "confirm": "1"}).status == 303
    assert deeds.done == [{"action": "clear", "queue": "low"}]
