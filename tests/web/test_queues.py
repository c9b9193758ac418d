"""The pages of queues: listings, filters, and what is done to queues and to their jobs."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
import redis as redis_py

from fastkiq.api import Queue, connect
from fastkiq.job import Job
from fastkiq.web.view import viewing
from fastkiq.web.waiting_jobs import find, key_of
from web_server import Answer, a_view, ask, post

Web = Callable[..., str]
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _view() -> Iterator[None]:
    with viewing(a_view()):
        yield


def push(redis: redis_py.Redis, name: str, *jobs: Any) -> list[bytes]:
    """The stored bytes, the first one pushed first."""
    raws = [job.encode() if isinstance(job, str) else json.dumps(job).encode() for job in jobs]
    redis.sadd("queues", name)
    if raws:
        redis.lpush(f"queue:{name}", *raws)
    return raws


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"class": "A", "jid": f"{number:024x}", "args": [number], **fields} for number in range(count)]


def keys(answer: Answer) -> list[str]:
    return re.findall(r'<tr data-key="([^"]+)"', answer.text)


def flash(answer: Answer) -> str:
    assert answer.status == 303, answer.text
    return str(json.loads(unquote(answer.cookie("fastkiq_flash") or ""))[1])


def test_a_hundred_queues_a_page_and_sorted(web: Web, redis: redis_py.Redis) -> None:
    now = int(time.time() * 1000)
    with redis.pipeline() as pipeline:
        for number in range(250):
            pipeline.sadd("queues", f"q{number:03}")
            job = json.dumps({"enqueued_at": now - 1_000 * ((number * 7) % 250)})
            pipeline.lpush(f"queue:q{number:03}", *[job] * ((number * 3) % 250 + 1))
        pipeline.execute()
    base = web()
    first = ask(base + "/queues")
    assert keys(first) == [f"q{number:03}" for number in range(100)]
    assert "1 to 100 of 250" in first.text
    last = ask(base + "/queues?page=3")
    assert keys(last) == [f"q{number:03}" for number in range(200, 250)]
    assert 'rel="next"' not in last.text
    by_size = keys(ask(base + "/queues?sort=size"))
    assert by_size[0] == "q083"  # 249 + 1
    by_latency = keys(ask(base + "/queues?sort=latency"))
    assert by_latency[0] == f"q{next(n for n in range(250) if n * 7 % 250 == 249):03}"
    assert keys(ask(base + "/queues?substr=q24&sort=name")) == [f"q{number}" for number in range(240, 250)]
    assert "No queue has such a name" in ask(base + "/queues?substr=nobody").text
    assert ask(base + "/queues?page=9").status == 200


def test_a_queue_says_its_memory_and_that_it_is_paused(web: Web, redis: redis_py.Redis) -> None:
    push(redis, "big", *({"class": "A", "args": ["x" * 1_000]} for _ in range(100)))
    redis.sadd("paused", "big")
    page = ask(web() + "/queues").text
    memory = re.search(r'data-label="Memory">([\d.]+) KiB', page)
    assert memory is not None
    assert 90 < float(memory[1]) < 300
    assert "Paused" in page
    assert "Resume" in page
    assert re.search(r"Paused.*Memory</dt><dd>[\d.]+ KiB", ask(web() + "/queues/big").text, re.DOTALL)


@pytest.mark.parametrize("query", ["sort=colour", "page=0", "page=1001", "page=x", f"substr={'x' * 201}", "substr=%00"])
def test_bad_parameters_of_the_listing(web: Web, query: str) -> None:
    assert ask(web() + "/queues?" + query).status == 400


@pytest.mark.parametrize(
    "query",
    [
        "direction=up",
        "count=0",
        "count=101",
        "cursor=x",
        "cursor=tail_0",
        "direction=asc&cursor=head_0",
        "cursor=head_" + "9" * 19,
    ],
)
def test_bad_parameters_of_a_queue(web: Web, redis: redis_py.Redis, query: str) -> None:
    push(redis, "mail", *numbered(3))
    assert ask(web() + "/queues/mail?" + query).status == 400


def test_jobs_by_cursor_in_both_directions(web: Web, redis: redis_py.Redis) -> None:
    raws = push(redis, "mail", *numbered(60))
    expected = [key_of(Job.from_bytes(raw)) for raw in raws]
    base = web()
    for query, wanted in (("", expected[::-1]), ("direction=asc", expected)):
        found: list[str] = []
        path: str | None = f"/queues/mail?{query}"
        while path:
            answer = ask(base + path)
            found += keys(answer)
            after = re.search(r'href="([^"]+)" rel="next"', answer.text)
            path = after[1].replace("&amp;", "&") if after else None
        assert found == wanted


def test_filters_say_how_far_they_have_looked(web: Web, redis: redis_py.Redis) -> None:
    jobs = [*numbered(30), {"class": "Rare", "jid": "f" * 24, "args": ["needle"], "tags": ["vip"]}]
    push(redis, "mail", *jobs)
    base = web()
    for query in ("class=Rare", "argument=needle", "tag=vip", "substr=ffff"):
        answer = ask(base + "/queues/mail?" + query)
        assert len(keys(answer)) == 1, query
        assert "1 found; all 31 were looked at" in answer.text
    assert "No job that was looked at fits the filter" in ask(base + "/queues/mail?class=Nobody").text


def test_hostile_jobs_are_only_text(web: Web, redis: redis_py.Redis) -> None:
    fields = {"class": XSS, "jid": XSS, "args": [XSS, {XSS: XSS}], "tags": [XSS], "error_message": XSS}
    push(
        redis, "mail", fields, XSS, "", "x" * 1_100_000, {"class": None, "args": {"a": 1}, "jid": 5, "tags": "x"}, "[]"
    )
    answer = ask(web() + "/queues/mail")
    assert answer.status == 200
    assert XSS not in answer.text
    assert "<img" not in answer.text
    assert "<script>alert" not in answer.text
    assert answer.text.count("too long to be shown, or empty") == 2
    assert len(answer.text) < 100_000


@pytest.mark.parametrize("name", ["ünï", "a b", "%", "<b>", "..%5C", "x" * 900])
def test_names_of_all_kinds_have_a_page(web: Web, redis: redis_py.Redis, name: str) -> None:
    raws = push(redis, name, *numbered(2))
    base = web()
    answer = ask(base + "/queues/" + quote(name, safe=""))
    assert answer.status == 200
    assert keys(answer) == [key_of(Job.from_bytes(raw)) for raw in raws[::-1]]
    assert post(base + "/queues/" + quote(name, safe=""), {"pause": "1"}).status == 303
    assert redis.smembers("paused") == {name.encode()}


def test_filtered_arguments_are_neither_shown_nor_found(web: Web, redis: redis_py.Redis) -> None:
    [raw] = push(redis, "mail", {"class": "A", "jid": "1" * 24, "args": [{"token": "s3cret"}]})
    base = web(filter_args=["token"])
    page = ask(base + "/queues/mail")
    assert "s3cret" not in page.text
    assert "[FILTERED]" in page.text
    for query in ("argument=s3cret", "substr=s3c"):
        assert keys(ask(base + "/queues/mail?" + query)) == []
    [key] = keys(page)
    assert key != key_of(Job.from_bytes(raw)), "whoever guesses the bytes must not be able to prove it"
    assert flash(post(base + "/queues/mail/delete", {"one": key, "confirm": "1"})) == "1 job was deleted."


def test_pause_resume_and_clear(web: Web, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture) -> None:
    push(redis, "mail", *numbered(3))
    base = web()
    with caplog.at_level(logging.INFO, "fastkiq.web.audit"):
        assert "within 5 s" in flash(post(base + "/queues/mail", {"pause": "1"}))
        assert redis.sismember("paused", "mail")
        answer = post(base + "/queues/mail", {"unpause": "1", "from": "queues"})
        assert answer.headers["location"] == "/queues"
        assert not redis.sismember("paused", "mail")
        asked = post(base + "/queues/mail", {"delete": "1"})
        assert asked.status == 200
        assert "Delete all jobs that wait in the queue mail?" in asked.text
        assert redis.llen("queue:mail") == 3
        assert flash(post(base + "/queues/mail", {"delete": "1", "confirm": "1"})) == (
            "3 jobs of the queue mail were deleted."
        )
    assert redis.exists("queue:mail") == 0
    assert [record.getMessage().partition(" who")[0] for record in caplog.records] == [
        "action=pause",
        "action=resume",
        "action=clear",
    ]
    assert caplog.records[-1].getMessage().endswith("queue=mail count=3")
    assert post(base + "/queues/mail", {"explode": "1"}).status == 400


def test_one_and_the_selected_are_deleted(web: Web, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture) -> None:
    push(redis, "mail", *numbered(50), "no job at all")
    base = web()
    some = keys(ask(base + "/queues/mail"))
    form = [("near", "head_0"), ("confirm", "1")]
    with caplog.at_level(logging.INFO, "fastkiq.web.audit"):
        assert flash(post(base + "/queues/mail/delete", [*form, ("one", some[0]), ("key", some[1])])) == (
            "1 job was deleted."
        )
        gone = "0" * 16 + "-" + "f" * 24
        told = flash(
            post(base + "/queues/mail/delete?count=10", [*form, *(("key", each) for each in [*some[1:4], gone])])
        )
    assert told == "3 jobs were deleted. 1 was not found any more: it runs, has run, or was deleted."
    assert redis.llen("queue:mail") == 47
    assert keys(ask(base + "/queues/mail"))[0] == some[4]
    assert len(caplog.records) == 4
    assert f"jid={49:024x}" in caplog.records[1].getMessage()
    assert "Delete 2 jobs for good?" in post(base + "/queues/mail/delete", [("key", some[4]), ("key", some[5])]).text
    assert "nothing was done" in flash(post(base + "/queues/mail/delete", {"confirm": "1"}))
    many = [("key", f"{number}-x") for number in range(101)]
    assert post(base + "/queues/mail/delete", [*form, *many]).status == 400


def test_jobs_that_have_moved_are_found_and_no_others(redis_url: str, redis: redis_py.Redis) -> None:
    push(redis, "mail", *numbered(2_000))
    queue = Queue("mail", connect(url=redis_url))
    wanted = [key_of(job) for job in queue.page(limit=25).items]
    twin = json.dumps({"class": "Twin", "jid": f"{1_999:024x}", "args": []})  # the jid of a wanted one
    push(redis, "mail", twin, *({"class": "New", "jid": f"a{number:023x}"} for number in range(1_000)))
    found = find(queue, wanted, "head_0", "latest")
    assert [key_of(job) for job in found] == wanted
    assert find(queue, ["0" * 16 + "-"], "head_0", "latest") == []
    redis.delete("queue:mail")
    assert find(queue, wanted[:2], "head_0", "latest") == []


def test_read_only_pages_have_no_buttons(web: Web, redis: redis_py.Redis) -> None:
    push(redis, "mail", *numbered(2))
    base = web(read_only=True)
    for path in ("/queues", "/queues/mail"):
        page = ask(base + path).text
        assert '<form method="post"' not in page
        assert 'type="checkbox" name="key"' not in page
    assert len(keys(ask(base + "/queues/mail"))) == 2
    assert post(base + "/queues/mail", {"pause": "1"}).status == 403
    assert post(base + "/queues/mail/delete", {"one": "x", "confirm": "1"}).status == 403
    assert redis.llen("queue:mail") == 2
    assert not redis.exists("paused")


def test_a_key_proves_no_guess_of_what_is_filtered(web: Web, redis: redis_py.Redis) -> None:
    (raw,) = push(redis, "mail", {"class": "A", "jid": "1", "args": [{"token": "s3cret"}]})
    base = web(filter_args=["token"])
    (key,) = keys(ask(base + "/queues/mail"))
    assert key != key_of(Job.from_bytes(raw))
    assert [key] != keys(ask(web(filter_args=["token"]) + "/queues/mail")), "another secret, another key"
    assert flash(post(base + "/queues/mail/delete", {"key": key, "confirm": "1"})) == "1 job was deleted."


def test_what_cannot_be_read_is_not_shown_while_names_are_filtered(web: Web, redis: redis_py.Redis) -> None:
    raw = '{"args":[{"token":"s3cret"}'
    push(redis, "mail", raw)
    redis.zadd("retry", {raw: 2e9})
    filtering, open_one = web(filter_args=["token"]), web()
    for path in ("/queues/mail", "/retries", "/api/retries", "/api/queues/mail/jobs"):
        assert "s3cret" not in ask(filtering + path).text
    for path in ("/queues/mail", "/retries"):
        assert "s3cret" in ask(open_one + path).text


def test_a_page_of_hostile_jids_is_bounded(web: Web, redis: redis_py.Redis) -> None:
    push(redis, "mail", *({"class": "A", "jid": f"{number}" + "j" * 900_000} for number in range(12)))
    answer = ask(web() + "/queues/mail?count=100")
    assert answer.status == 200
    assert len(answer.body) < 200_000
    assert keys(answer) == []
    assert 'rel="next"' in answer.text, "the rest is on the next page"
