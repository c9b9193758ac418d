"""The web UI in urls.py, on real sockets, under WSGI and ASGI."""

import logging
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from web_server import ask, post, serve_asgi, serve_wsgi

LINK = re.compile(r'(?:href|src|action)="([^"#][^"]*)"')


@pytest.fixture(params=["wsgi", "asgi"])
def base(request: pytest.FixtureRequest, depot: ModuleType) -> Iterator[str]:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    if request.param == "wsgi":
        with serve_wsgi(get_wsgi_application()) as url:
            yield url
    else:
        with serve_asgi(get_asgi_application()) as url:
            yield url


@pytest.fixture
def session(depot: ModuleType) -> Callable[..., dict[str, str]]:
    """`session("boss", is_staff=True)`: the headers of somebody who is logged in."""

    def of(name: str, **flags: bool) -> dict[str, str]:
        from django.contrib.auth.models import User
        from django.test import Client

        client = Client()
        client.force_login(User.objects.create_user(name, password="x", **flags))
        return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}

    return of


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(base: str) -> None:
    answer = ask(base + "/ops/jobs/queues?count=3")
    assert answer.status == 302
    assert answer.headers["location"] == "/admin/login/?next=/ops/jobs/queues%3Fcount%3D3"
    assert post(base + "/ops/jobs/queues/default").status == 302
    forged = {"X-Fastkiq-User": "boss", "Fastkiq.User": "boss", "Cookie": "sessionid=nonsense"}
    assert ask(base + "/ops/jobs/", headers=forged).status == 302


def test_who_is_no_staff_is_refused(base: str, session: Callable[..., dict[str, str]]) -> None:
    assert ask(base + "/ops/jobs/", headers=session("guest")).status == 403
    assert ask(base + "/ops/jobs/", headers=session("former", is_staff=True, is_active=False)).status == 302


def test_staff_sees_the_pages_and_every_link_stays_below_them(
    base: str, session: Callable[..., dict[str, str]]
) -> None:
    boss = session("boss", is_staff=True)
    page = ask(base + "/ops/jobs/", headers=boss)
    assert page.status == 200
    assert "nonce-" in page.headers["content-security-policy"]
    links = {urlsplit(link).path for link in LINK.findall(page.text)}
    assert len(links) > 10
    assert all(link.startswith("/ops/jobs/") for link in links)
    for link in [link for link in links if "/static/" in link]:
        assert ask(base + link, headers=boss).status == 200
    assert ask(base + "/ops/jobs/nowhere", headers=boss).status == 404
    assert ask(base + "/ops/jobs", headers=boss).status in (301, 404), "Django's own matter"


def test_a_form_works_by_its_own_check_and_the_audit_log_has_the_name(
    base: str, session: Callable[..., dict[str, str]], redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.workers import Weigh

    boss = session("bøss", is_staff=True)
    Weigh.perform_async(1)
    forged = ask(base + "/ops/jobs/queues/scales", method="POST", headers=boss, form={"delete": "1"})
    assert forged.status == 403
    cross = {**boss, "Sec-Fetch-Site": "cross-site"}
    assert ask(base + "/ops/jobs/queues/scales", method="POST", headers=cross, form={"delete": "1"}).status == 403
    with caplog.at_level(logging.INFO, "fastkiq.web.audit"):
        paused = post(base + "/ops/jobs/queues/scales", {"pause": "1"}, **boss)
    assert paused.status == 303, paused.text
    assert paused.headers["location"].startswith("/ops/jobs/queues")
    assert redis.smembers("paused") == {b"scales"}
    [line] = [record.getMessage() for record in caplog.records if record.name == "fastkiq.web.audit"]
    assert "who=bøss" in line


def test_without_sec_fetch_site_the_token_of_the_form_counts(
    base: str, session: Callable[..., dict[str, str]], redis: Redis
) -> None:
    from depot.parcels.workers import Weigh

    Weigh.perform_async(1)
    boss = session("boss", is_staff=True)
    page = ask(base + "/ops/jobs/queues", headers=boss)
    cookies = page.headers.get_all("set-cookie") or []
    [own] = [cookie for cookie in cookies if "fastkiq" in cookie]
    assert "Path=/ops/jobs/" in own
    assert "httponly" in own.lower()
    name, _, value = own.partition(";")[0].partition("=")
    form = {
        "pause": "1",
        **dict(re.findall(r'name="([^"]*csrf[^"]*|authenticity_token)" value="([^"]+)"', page.text)[:1]),
    }
    assert len(form) == 2
    headers = {"Cookie": f"{boss['Cookie']}; {name}={value}"}
    assert ask(base + "/ops/jobs/queues/scales", method="POST", headers=headers, form=form).status == 303
    assert redis.smembers("paused") == {b"scales"}
    form = {**form, list(form)[1]: "x"}
    assert ask(base + "/ops/jobs/queues/scales", method="POST", headers=headers, form=form).status == 403


def test_read_only(base: str, session: Callable[..., dict[str, str]], redis: Redis) -> None:
    boss = session("boss", is_staff=True)
    assert ask(base + "/looked-at/", headers=boss).status == 200
    assert post(base + "/looked-at/queues/scales", {"pause": "1"}, **boss).status == 403
    assert redis.smembers("paused") == set()


def test_hostile_addresses_are_no_failure(base: str, session: Callable[..., dict[str, str]]) -> None:
    boss = session("boss", is_staff=True)
    for path in (
        "/%ff",
        "/%00",
        "/a%0d%0aX-Evil:1",
        "/" + "x" * 3_000,
        "/%e2%80%ae",
        "/?q=%ff",
        "//evil.example",
        "/ü",
    ):
        answer = ask(base + "/ops/jobs" + path.replace("ü", "%c3%bc"), headers=boss)
        assert answer.status in (200, 301, 400, 404), path
        assert "x-evil" not in answer.headers


def test_a_body_that_is_too_large_is_refused(base: str, session: Callable[..., dict[str, str]]) -> None:
    body = b"a=" + b"x" * 1_500_000
    kind = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    headers = {**session("boss", is_staff=True), **kind}
    assert ask(base + "/ops/jobs/queues/scales", method="POST", headers=headers, body=body).status == 413


def test_one_that_is_too_large_for_django_as_well(depot: ModuleType) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_user("boss", password="x", is_staff=True))
    assert client.post("/ops/jobs/queues/scales", {"a": "x" * 3_000_000}).status_code in (400, 413)


def test_the_login_is_that_of_the_project_where_there_is_no_admin(depot: ModuleType) -> None:
    from django.conf import settings
    from django.contrib.auth.models import AnonymousUser
    from django.test import RequestFactory, override_settings

    import fastkiq.contrib.django

    [route], _, _ = fastkiq.contrib.django.urls()
    request: Any = RequestFactory().get("/jobs/")
    request.user = AnonymousUser()
    apps = [name for name in settings.INSTALLED_APPS if name != "django.contrib.admin"]
    with override_settings(INSTALLED_APPS=apps, LOGIN_URL="/door/"):
        assert route.callback(request, path="")["Location"] == "/door/?next=/jobs/"


def test_what_would_let_others_in_is_refused(depot: ModuleType) -> None:
    from django.core.exceptions import ImproperlyConfigured

    import fastkiq.contrib.django

    for option in ("authorize", "username", "password", "token", "prefix"):
        with pytest.raises(ImproperlyConfigured, match=option):
            fastkiq.contrib.django.urls(**{option: "x"})


def test_views_enqueue(base: str, redis: Redis) -> None:
    """A plain view in a transaction, and an async one."""
    first = ask(base + "/send/?to=ann").text
    second = ask(base + "/asend/?to=bob").text
    queued = [raw.decode() for raw in redis.lrange("queue:default", 0, -1)]
    assert [jid in raw for jid, raw in zip((second, first), queued, strict=True)] == [True, True]
    assert redis.llen("queue:scales") == 1


def test_a_user_model_that_knows_no_staff_is_let_in_nowhere(depot: ModuleType) -> None:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.core.exceptions import PermissionDenied
    from django.test import RequestFactory

    import fastkiq.contrib.django

    class Visitor(AbstractBaseUser):
        class Meta:
            app_label = "parcels"
            managed = False

    [route], _, _ = fastkiq.contrib.django.urls()
    request: Any = RequestFactory().get("/jobs/")
    request.user = Visitor()
    with pytest.raises(PermissionDenied):
        route.callback(request, path="")


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_in_a_transaction_of_its_own(depot: ModuleType, redis: Redis, fails: bool) -> None:
    from depot.parcels.models import Parcel
    from django.db import connection
    from django.test import Client, override_settings

    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with override_settings(FASTKIQ={"enqueue_after_commit": True}):
            answer = Client(raise_request_exception=False).get(
                "/send/", {"to": "ann", **({"fail": "1"} if fails else {})}
            )
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert answer.status_code == (500 if fails else 200)
    assert Parcel.objects.count() == redis.llen("queue:default") == (0 if fails else 1)
