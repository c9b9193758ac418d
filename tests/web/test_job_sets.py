"""Retries, Scheduled and Dead: listings, filters, what is done to those that are ticked and to all that match."""

import json
import logging
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
import redis as redis_py

from fastkiq.web.pages import job_sets, sweeps
from web_jobs import KEYS, NASTY, add, failed, fill, flash, hidden, payload, rows, segment
from web_server import Answer, ask, post

Web = Callable[..., str]
PATHS = tuple(KEYS)


@pytest.mark.parametrize("path", PATHS)
def test_a_job_is_listed_with_what_matters(web: Web, redis: redis_py.Redis, path: str) -> None:
    key = add(redis, path, failed(tags=["nightly"]))
    answer = ask(web() + path)
    assert rows(answer) == [key]
    for text in ("<wbr>Mail", "mail", "nightly", "ann@example.org", 'datetime="2033-05-18T03:33:20.250+00:00"'):
        assert text in answer.text
    assert ("smtp-7 did not answer" in answer.text) == (path != "/scheduled")
    assert ("2 of 5" in answer.text) == (path != "/scheduled")


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_set_says_what_would_be_there(web: Web, path: str) -> None:
    assert 'class="empty"' in ask(web() + path).text


@pytest.mark.parametrize("path", PATHS)
def test_nothing_hostile_gets_through(web: Web, redis: redis_py.Redis, path: str) -> None:
    everything = {"class": NASTY, "queue": NASTY, "args": [NASTY, {NASTY: NASTY}], "tags": [NASTY]}
    add(redis, path, failed(NASTY, **everything, error_class=NASTY, error_message=NASTY, error_backtrace=[NASTY]))
    add(redis, path, NASTY.encode(), 2_000_000_001.5)
    add(redis, path, b'{"class":7,"jid":[],"args":"x","tags":{},"queue":null,"retry":"y"}', 2_000_000_002.5)
    base = web()
    keys = rows(ask(base + path))
    assert len(keys) == 3
    asked = urlencode({"substr": NASTY, "class": NASTY, "queue": NASTY, "argument": NASTY, "tag": NASTY})
    urls = [path, f"{path}?{asked}", f"/search?q={segment(NASTY)}"]
    urls += [f"{path}/groups"] if path != "/scheduled" else []
    for url in urls + [f"{path}/{segment(each)}" for each in keys]:
        answer = ask(base + url)
        assert answer.status == 200, (url, answer.text[:500])
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "alert(2)&gt;49" not in answer.text


def test_pages_follow_each_other_without_a_gap(web: Web, redis: redis_py.Redis) -> None:
    keys = [add(redis, "/retries", failed(f"{at:024x}"), 2_000_000_000 + at // 3) for at in range(25)]
    base, url, seen = web(), "/retries?count=7", []
    while url:
        answer = ask(base + url)
        seen += rows(answer)
        following = re.search(r'href="([^"]+)" rel="next"', answer.text)
        url = following[1].replace("&amp;", "&") if following else ""
    assert seen == keys
    assert "22 to 25 of 25" in answer.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"class": "Checkout"}, [1]),
        ({"queue": "critical"}, [1]),
        ({"queue": "crit"}, []),
        ({"error": "TimeoutError: smtp-7"}, [0]),
        ({"argument": '"ann@'}, [0, 1]),
        ({"argument": "bob"}, [2]),
        ({"tag": "money"}, [1, 2]),
        ({"tag": "mone"}, []),
        ({"substr": "declined"}, [1]),
        ({"substr": '"queue":"low"', "tag": "money"}, [2]),
        ({"group": "ValueError: card # declined"}, [1]),
    ],
)
def test_filters(web: Web, redis: redis_py.Redis, query: dict[str, str], expected: list[int]) -> None:
    declined = {"error_class": "ValueError", "error_message": "card 77 declined", "tags": ["money"]}
    keys = [
        add(redis, "/morgue", failed("a" * 24)),
        add(redis, "/morgue", failed("b" * 24, **{**declined, "class": "shop.Checkout", "queue": "critical"})),
        add(redis, "/morgue", failed("c" * 24, queue="low", args=["bob"], tags=["money"], error_class="KeyError")),
    ]
    answer = ask(f"{web()}/morgue?{urlencode(query)}")
    assert sorted(rows(answer)) == sorted(keys[at] for at in expected)
    assert f"{len(expected)} found; all 3 were looked at" in answer.text


def test_a_part_says_of_how_many_it_is(web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_sets, "_SECONDS", 0.0)
    fill(redis, "/retries", 9_000)
    base = web()
    answer = ask(base + "/retries?class=Nothing")
    found = re.search(r"0 found among the first ([\d,]+) of 9,000", answer.text)
    assert found is not None, answer.text[-3_000:]
    following = re.search(r'href="([^"]+)" rel="next"', answer.text)
    assert following is not None
    after = ask(base + following[1].replace("&amp;", "&"))
    assert f"that follow the first {found[1]}, of 9,000" in after.text


@pytest.mark.parametrize(
    "query",
    [
        "count=0",
        "count=101",
        "count=x",
        "count=1_0",
        "cursor=nonsense",
        "cursor=nan_1",
        "seen=-1",
        "class=" + "x" * 1_001,
    ],
)
def test_bad_parameters_are_told_of(web: Web, query: str) -> None:
    assert ask(f"{web()}/retries?{query}").status == 400


DONE = [
    ("/retries", "retry", "1 job is in its queue now."),
    ("/retries", "kill", "1 job is dead now."),
    ("/retries", "delete", "1 job was deleted."),
    ("/scheduled", "add_to_queue", "1 job is in its queue now."),
    ("/scheduled", "kill", "1 job is dead now."),
    ("/scheduled", "delete", "1 job was deleted."),
    ("/morgue", "retry", "1 job is in its queue now."),
    ("/morgue", "delete", "1 job was deleted."),
]


def went(redis: redis_py.Redis, path: str, name: str) -> bool:
    """Whether all that was in the set is where that button puts it."""
    queued, dead = redis.llen("queue:mail"), redis.zcard("dead")
    if name in ("retry", "add_to_queue"):
        return (queued, redis.zcard(KEYS[path])) == (1, 0)
    return (queued, redis.zcard(KEYS[path]), dead) == (0, 0, 1 if name == "kill" else 0)


@pytest.mark.parametrize("field", ["key", "key[]"])
@pytest.mark.parametrize(("path", "name", "said"), DONE)
def test_the_ticked_ones(
    web: Web,
    redis: redis_py.Redis,
    caplog: pytest.LogCaptureFixture,
    path: str,
    name: str,
    said: str,
    field: str,
) -> None:
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    key = add(redis, path, failed())
    answer = post(web() + path, [(field, key), (field, key), (name, "1"), ("confirm", "1")])
    assert flash(answer) == said
    assert went(redis, path, name)
    assert len(caplog.records) == 1
    assert f"set={KEYS[path]} count=1 jids={'a' * 24} job_class=shop.Mail" in caplog.text


@pytest.mark.parametrize(("path", "name", "said"), DONE)
def test_the_one_of_a_page(web: Web, redis: redis_py.Redis, path: str, name: str, said: str) -> None:
    key = add(redis, path, failed())
    answer = post(f"{web()}{path}/{key}", {name: "1", "confirm": "1"})
    assert flash(answer) == said
    assert answer.headers["location"] == path
    assert went(redis, path, name)


@pytest.mark.parametrize(("path", "name", "said"), DONE)
def test_all_of_them(web: Web, redis: redis_py.Redis, path: str, name: str, said: str) -> None:
    add(redis, path, failed())
    base = web()
    asked = post(f"{base}{path}/all/{name}")
    assert asked.status == 200
    assert "Are you sure?" in asked.text
    assert redis.zcard(KEYS[path]) == 1
    assert flash(post(f"{base}{path}/all/{name}", {"confirm": "1"})) == said
    assert went(redis, path, name)


def test_delete_asks_first_and_keeps_what_was_ticked(web: Web, redis: redis_py.Redis) -> None:
    keys = [add(redis, "/retries", failed(f"{at:024x}")) for at in range(3)]
    base = web()
    asked = post(base + "/retries?queue=mail", [("key", keys[0]), ("key", keys[2]), ("delete", "1")])
    assert "Delete these 2 jobs?" in asked.text
    assert redis.zcard("retry") == 3
    answer = post(base + "/retries?queue=mail", [*hidden(asked)[1:], ("confirm", "1")])
    assert flash(answer) == "2 jobs were deleted."
    assert answer.headers["location"] == "/retries?queue=mail"
    assert [json.loads(each)["jid"] for each in redis.zrange("retry", 0, -1)] == [f"{1:024x}"]


def test_what_was_gone_and_what_cannot_be_moved_is_told(web: Web, redis: redis_py.Redis) -> None:
    base = web()
    keys = [add(redis, "/morgue", failed()), add(redis, "/morgue", failed("b" * 24, args="no list")), "1.5-gone"]
    said = flash(post(base + "/morgue", [*(("key", key) for key in keys), ("retry", "1")]))
    assert said.startswith("1 job is in its queue now. 1 was gone already. 1 stayed where it is: ")
    assert "can only be deleted" in said
    assert redis.zcard("dead") == 1


def test_entries_that_are_no_jobs_can_be_ticked_and_deleted(web: Web, redis: redis_py.Redis) -> None:
    base = web()
    add(redis, "/retries", b"\xff\x00 no json")
    add(redis, "/retries", b"neither is this")
    add(redis, "/retries", failed("../../x?y#z%2F"))
    add(redis, "/retries", b'{"jid":"' + b"x" * 1_100_000 + b'"}')
    keys = rows(ask(base + "/retries"))
    assert len(set(keys)) == 4
    for left, key in zip((3, 2, 1, 0), keys, strict=True):
        assert ask(f"{base}/retries/{key}").status == 200
        assert flash(post(base + "/retries", {"key": key, "delete": "1", "confirm": "1"})) == "1 job was deleted."
        assert redis.zcard("retry") == left


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/retries", {"key": "1.5-a"}, 400),
        ("/retries", {"key": "1.5-a", "add_to_queue": "1"}, 400),
        ("/retries", {"key": "1.5-a", "retry": "1", "kill": "1"}, 400),
        ("/morgue", {"key": "1.5-a", "kill": "1"}, 400),
        ("/retries", {"key": "nonsense", "retry": "1"}, 400),
        ("/retries", {"key": "nan-a", "retry": "1"}, 400),
        ("/retries", {"key": "1e999-a", "retry": "1"}, 400),
        ("/retries", {"retry": "1"}, 303),
        ("/morgue/all/kill", {"confirm": "1"}, 404),
        ("/retries/all/explode", {"confirm": "1"}, 404),
        ("/retries/all/kill", {"confirm": "1", "before": "soon"}, 400),
        ("/retries/all/kill", {"confirm": "1", "cursor": "nonsense"}, 400),
        ("/retries/all/delete", {"confirm": "1", "clas": "shop.Mail"}, 400),
        ("/retries/all/delete", {"confirm": "1", "class": " "}, 400),
        ("/retries/all/delete?class=Other", {"confirm": "1"}, 400),
    ],
)
def test_bad_posts_do_nothing(web: Web, redis: redis_py.Redis, path: str, form: dict[str, str], status: int) -> None:
    for each in PATHS:
        add(redis, each, failed())
    assert post(web() + path, form).status == status
    assert [redis.zcard(key) for key in KEYS.values()] == [1, 1, 1]


def test_all_that_match_in_slices_each_once(
    web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    monkeypatch.setattr(sweeps, "SLICE", 0.0)
    with redis.pipeline(transaction=False) as pipeline:
        for at in range(4_000):
            pipeline.zadd("retry", {json.dumps(failed(f"{at:024x}", queue="mail" if at % 2 else "low")): 2e9})
        pipeline.execute()
    base = web()
    asked = post(base + "/retries/all/retry", {"queue": "mail"})
    assert "2,000 jobs that match" in asked.text or "at least" in asked.text
    form: list[tuple[str, str]] = [("queue", "mail"), ("confirm", "1")]
    answers: list[Answer] = []
    while not answers or answers[-1].status == 200:
        answers.append(post(base + "/retries/all/retry", form))
        form = hidden(answers[-1])
        assert len(answers) < 50
    assert len(answers) > 1
    assert "data-goes-on" in answers[0].text
    assert flash(answers[-1]) == "2,000 jobs are in their queues now."
    jids = [json.loads(each)["jid"] for each in redis.lrange("queue:mail", 0, -1)]
    assert len(jids) == len(set(jids)) == 2_000
    assert redis.zcard("retry") == 2_000
    assert redis.llen("queue:low") == 0
    assert sum(int(count) for count in re.findall(r"count=(\d+)", caplog.text)) == 2_000


def test_read_only_shows_and_changes_nothing(web: Web, redis: redis_py.Redis) -> None:
    key = add(redis, "/retries", failed())
    base = web(read_only=True)
    for url in ("/retries", "/retries/groups", f"/retries/{key}", f"/search?q={'a' * 24}"):
        answer = ask(base + url)
        assert answer.status == 200
        assert 'method="post"' not in answer.text
    for url in ("/retries", f"/retries/{key}", "/retries/all/delete", f"/retries/{key}/again"):
        assert post(base + url, {"delete": "1", "key": key, "confirm": "1"}).status == 403
    assert redis.zcard("retry") == 1


def test_filtered_values_are_nowhere_and_cannot_be_guessed(web: Web, redis: redis_py.Redis) -> None:
    key = add(redis, "/retries", failed())
    enqueued = payload("b" * 24)
    redis.lpush("queue:mail", json.dumps(enqueued))
    redis.sadd("queues", "mail")
    base = web(filter_args={"token", "passw"})
    pages = ("/retries", "/retries/groups", f"/retries/{key}", f"/retries/{key}/raw", f"/search?q={'a' * 24}")
    for url in (*pages, f"/queues/mail/{'b' * 24}", f"/queues/mail/{'b' * 24}/raw"):
        answer = ask(base + url)
        assert answer.status == 200, url
        assert "s3cret" not in answer.text
        assert "hunter2" not in answer.text
    for query in ("argument=s3cret", "argument=s", "substr=s3cret", "substr=hunter", 'argument="token":"s'):
        assert rows(ask(f"{base}/retries?{query.replace(chr(34), '%22')}")) == ([key] if query == "argument=s" else [])
    assert "1 job that match" not in post(base + "/retries/all/delete", {"argument": "s3cret"}).text
    post(base + "/retries/all/delete", {"argument": "s3cret", "confirm": "1"})
    assert redis.zcard("retry") == 1


def test_links_stay_below_the_prefix(web: Web, redis: redis_py.Redis) -> None:
    key = add(redis, "/retries", failed(tags=["nightly"]))
    base = web(prefix="/jobs")
    pages = (
        "/retries",
        "/retries?tag=x",
        "/retries/groups",
        f"/retries/{key}",
        "/retries/1.5-gone",
        f"/search?q={key}",
    )
    answers = [ask(base + "/jobs" + url) for url in pages]
    answers += [post(base + "/jobs/retries/all/delete"), post(f"{base}/jobs/retries/{key}", {"delete": "1"})]
    for answer in answers:
        targets = re.findall(r'(?:href|action)="([^"]*)"', answer.text)
        assert len(targets) > 10
        assert [target for target in targets if not target.startswith(("/jobs/", "#"))] == []
    assert post(base + "/jobs/retries", {"key": key, "retry": "1"}).headers["location"] == "/jobs/retries"
