"""The pages and the JSON API of recurring jobs."""

import json
import logging
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
import redis as redis_py

from fastkiq import api
from fastkiq.api import RecurringSet
from web_server import Answer, ask, post

Web = Callable[..., str]
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
DECLARED = (
    b'{"name":"nightly","class":"app.Nightly","args":[],"queue":"low","cron":"0 3 * * *","timezone":"Europe/Berlin",'
    b'"missed":"once","description":"Cleans up","enabled":true,"source":"code","options":{"retry":true}}'
)


@pytest.fixture
def recurring(redis_url: str) -> RecurringSet:
    return RecurringSet(api.connect(url=redis_url))


def keys(answer: Answer) -> list[str]:
    return re.findall(r'<tr data-key="([^"]+)"', answer.text)


def flash(answer: Answer) -> str:
    assert answer.status == 303, answer.text
    return str(json.loads(unquote(answer.cookie("fastkiq_flash") or ""))[1])


def test_none_yet(web: Web) -> None:
    page = ask(web() + "/cron")
    assert page.status == 200
    assert "No recurring jobs yet" in page.text
    assert ask(web() + "/cron/nothing").status == 404


def test_a_hundred_a_page_by_name(web: Web, recurring: RecurringSet) -> None:
    for number in range(150):
        recurring.add(f"job{number:03}", "A", every=60)
    base = web()
    assert keys(ask(base + "/cron")) == [f"job{number:03}" for number in range(100)]
    assert keys(ask(base + "/cron?page=2")) == [f"job{number:03}" for number in range(100, 150)]
    assert keys(ask(base + "/cron?substr=b14")) == [f"job{number}" for number in range(140, 150)]
    assert "No recurring job has such a name" in ask(base + "/cron?substr=nobody").text


def test_one_with_its_ticks_and_its_history(web: Web, recurring: RecurringSet, redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:cron", "nightly", DECLARED)
    redis.zadd("fastkiq:cron:next", {"nightly": 1_799_805_600})
    runs = [{"tick": 1, "at": 2, "jid": "ab" * 12, "how": "tick"}, {"tick": 3, "at": 4, "jid": None, "how": "skipped"}]
    redis.rpush("fastkiq:cron:history:nightly", *map(json.dumps, runs))
    page = ask(web() + "/cron/nightly").text
    assert "At 03:00" in page
    for text in ("0 3 * * *", "Europe/Berlin", "app.Nightly", "Cleans up", "are made up for by one job", "ab" * 12):
        assert text in page, text
    assert page.count("2027-01-13 02:00:00 UTC") == 2, "the first tick, absolute and relative"
    assert "2027-01-14 02:00:00 UTC" in page
    assert ">On time<" in page
    assert ">Skipped<" in page
    assert ">Remove<" not in page, "what code declares comes back"


def test_what_can_be_done(
    web: Web, recurring: RecurringSet, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    recurring.add("poll", "A", 1, every=60)
    base = web()
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    assert "is paused" in flash(post(base + "/cron/poll", {"pause": "1"}))
    assert redis.smembers("fastkiq:cron:paused") == {b"poll"}
    assert "Paused" in ask(base + "/cron").text
    assert "None while it is paused." in ask(base + "/cron/poll").text
    assert "runs again" in flash(post(base + "/cron/poll", {"resume": "1"}))
    assert redis.smembers("fastkiq:cron:paused") == set()
    told = flash(post(base + "/cron/poll", {"run": "1"}))
    [job] = redis.lrange("queue:default", 0, -1)
    assert json.loads(job)["jid"] in told
    asked = post(base + "/cron/poll", {"remove": "1"})
    assert asked.status == 200
    assert "for good?" in asked.text
    assert "was removed" in flash(post(base + "/cron/poll", {"remove": "1", "confirm": "1"}))
    assert redis.exists("fastkiq:cron") == 0
    told_of = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in told_of] == ["action=pause", "action=resume", "action=run", "action=remove"]
    assert all("cron=poll" in line for line in told_of)
    assert post(base + "/cron/poll", {"pause": "1"}).status == 404


def test_what_cannot_be_done(web: Web, redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:cron", "nightly", DECLARED)
    base = web()
    assert post(base + "/cron/nightly", {"remove": "1", "confirm": "1"}).status == 409
    assert post(base + "/cron/nightly", {"explode": "1"}).status == 400
    assert ask(base + "/cron/nightly", method="POST", form={"pause": "1"}).status == 403, "no page of ours"
    assert post(web(read_only=True) + "/cron/nightly", {"pause": "1"}).status == 403
    assert redis.exists("fastkiq:cron:paused") == 0
    page = ask(web(read_only=True) + "/cron").text
    assert "Run now" not in page


def test_hostile_definitions_are_only_text(web: Web, redis: redis_py.Redis) -> None:
    readable = {"name": XSS, "class": "A", "every": 5, "options": {"retry": True}, "description": XSS}
    for name, raw in [
        (XSS, json.dumps(readable)),
        ("garbage", XSS),
        ("long", "x" * 200_000),
        ("a/b", "{}"),
        ("..", "{}"),
    ]:
        redis.hset("fastkiq:cron", name, raw)
    base = web()
    for path in ("/cron", "/cron/garbage", "/cron/long", "/cron/" + quote(XSS.replace("/", ""), safe="")):
        answer = ask(base + path)
        assert answer.status == (200 if path != "/cron/" + quote(XSS.replace("/", ""), safe="") else 404), path
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
    for path in ("/api/cron", "/api/cron/garbage"):
        assert ask(base + path).headers["content-type"] == "application/json"
    assert "Its name fits no address" in ask(base + "/cron").text
    assert post(base + "/cron/garbage", {"run": "1"}).status == 409
    assert "was removed" in flash(post(base + "/cron/garbage", {"remove": "1", "confirm": "1"}))


def test_its_arguments_without_those_that_are_filtered(
    web: Web, recurring: RecurringSet, redis: redis_py.Redis
) -> None:
    recurring.add("poll", "A", "eu", {"token": "s3cret"}, every=60)
    redis.hset("fastkiq:cron", "garbage", b"{")
    base = web(filter_args=["token"])
    for path in ("/cron", "/cron/poll", "/api/cron", "/api/cron/poll"):
        assert "s3cret" not in ask(base + path).text, path
    assert "[FILTERED]" in ask(base + "/cron/poll").text
    assert json.loads(ask(base + "/api/cron/poll").body)["args"] == ["eu", {"token": "[FILTERED]"}]
    assert "Arguments" not in ask(base + "/cron/garbage").text
    assert "s3cret" in ask(web() + "/cron/poll").text


def test_the_json_api(web: Web, recurring: RecurringSet, redis: redis_py.Redis) -> None:
    recurring.add("poll", "A", 1, every=60)
    base = web()
    listing = json.loads(ask(base + "/api/cron").body)
    assert listing["total"] == 1
    [found] = listing["recurring"]
    assert (found["name"], found["class"], found["args"], found["every"], found["paused"]) == (
        "poll",
        "A",
        [1],
        60,
        False,
    )
    recurring.add("often", "A", every=60, first_in=5, enabled=False)
    recurring.add("sync", "A", interval=300)
    recurring.add("once", "A", at=4_102_444_800)
    often, once, _poll, sync = json.loads(ask(base + "/api/cron").body)["recurring"]
    keys = ("every", "first_in", "interval", "at", "next", "enabled")
    assert [often[key] for key in keys] == [60, 5, None, None, None, False]
    assert (sync["interval"], sync["at"], sync["enabled"]) == (300, None, True)
    assert once["at"] == once["next"]
    assert once["at"].startswith("2100-01-01T00:00:00")
    run = json.loads(post(base + "/api/cron/poll/run").body)
    assert json.loads(redis.lrange("queue:default", 0, -1)[0])["jid"] == run["jid"]
    assert len(json.loads(ask(base + "/api/cron/poll?count=3").body)["upcoming"]) == 3
    assert post(base + "/api/cron/poll/pause").status == 200
    one = json.loads(ask(base + "/api/cron/poll?count=3").body)
    assert (one["paused"], one["upcoming"], one["history"][0]["how"]) == (True, [], "manual")
    assert post(base + "/api/cron/poll/remove").status == 200
    assert post(base + "/api/cron/poll/pause").status == 404
    assert json.loads(ask(base + "/api/cron/poll").body)["status"] == 404
