"""Each page of Sidekiq's Web UI, lists and details, on data that fastkiq alone has written."""

import html
import re
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby

Start = Callable[..., Child]

PAGES = [
    *("/", "/?days=180", "/busy", "/queues", "/queues/default", "/queues/mail:x.y-z", "/retries", "/scheduled"),
    *("/morgue", "/metrics", "/metrics/Boom", "/metrics/app.Dotted", "/profiles", "/stats", "/stats/queues"),
    *("/retries?substr=Boom", "/morgue?substr=LastBoom", "/scheduled?substr=Echo"),
]
SETS = {"retry": "retries", "dead": "morgue", "schedule": "scheduled"}


@pytest.fixture
def data(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """What fastkiq writes: first, later and last failures, unknown classes, what waits and what is due later."""
    client = fastkiq.Client(redis_url)
    hostile = ["</script><script>alert(1)</script>", {"é\u2028": [None, 1e20, 10**40]}]
    client.push("Boom", *hostile, retry=3, backtrace=20)
    client.push("Boom", *hostile, retry=3, tags=["<b>", "é"])
    client.push("LastBoom", *hostile, retry=0, backtrace=True, tags=["a"])
    client.push("app.Unknown", *hostile)
    client.push("Echo", *hostile, in_=600, tags=["x"], retry_for=60)
    # As other clients write, perhaps: what fastkiq stores of it must have been mended.
    for job in (
        '{"class":"Boom","args":[]}',
        '{"class":"Boom","args":[],"jid":7,"tags":"x","cattr":1,"error_backtrace":[1],"retry":3}',
        '{"class":"Boom","args":[],"failed_at":"2026","retry_count":"x","enqueued_at":"now"}',
        '{"class":"Boom","args":[],"retry_count":1,"jid":"ab","created_at":null,"queue":"q"}',
        '{"class":"Nobody","args":[],"retry_count":4,"jid":"cd","tags":{}}',
    ):
        redis.lpush("queue:default", job)
    child = worker_process(APP)
    wait_until(lambda: redis.llen("queue:default") == 0 and not list(redis.scan_iter("fastkiq:flight:*")), 15, "all")
    wait_until(lambda: redis.zcard("retry") >= 7, 15, "the failures to be stored")
    (again, *_) = redis.zrange("retry", 0, -1)
    redis.zadd("retry", {again: 1.0})
    wait_until(lambda: b"retried_at" in b"".join(redis.zrange("retry", 0, -1)), 15, "a second failure")
    child.stop()
    client.push("Boom", *hostile)
    client.push("app.Dotted", *hostile, queue="mail:x.y-z", tags=["é"])


@pytest.mark.usefixtures("data")
def test_each_page_answers(ruby: Ruby, redis: redis_py.Redis) -> None:
    answers = dict(zip(PAGES, ruby("web", requests=[["GET", page] for page in PAGES]), strict=True))
    assert {page: status for page, (status, _) in answers.items() if status != 200} == {}
    details = []
    for key, path in SETS.items():
        body = answers[f"/{path}"][1]
        links = {html.unescape(link) for link in re.findall(rf'href="(/{path}/[^"]+)"', body)}
        assert len(links) == redis.zcard(key), f"each entry of {key} has a page of its own"
        details += sorted(links)
    seen = ruby("web", requests=[["GET", page] for page in details])
    assert {page: status for page, (status, _) in zip(details, seen, strict=True) if status != 200} == {}
    everything = "".join(body for _, body in [*answers.values(), *seen])
    assert "<script>alert" not in everything
    pages = [body for _, body in seen]
    assert any("app.py:" in body and "Boom.perform" in body for body in pages), "the backtrace is shown"
    assert any("boom &lt;b&gt;é\u2028 from Python" in body for body in pages)
    assert any("fastkiq.UnknownWorker" in body for body in pages)


@pytest.mark.usefixtures("data")
def test_the_buttons_work(ruby: Ruby, redis: redis_py.Redis) -> None:
    """Retry, kill, delete and add to queue, as the pages' forms send them."""
    pages = ruby("web", requests=[["GET", f"/{path}"] for path in ("retries", "morgue", "scheduled")])
    retries, dead, scheduled = (re.findall(r"name=.key\[\]. value=.([^'\"]+)", body) for _, body in pages)
    before = {key: redis.zcard(key) for key in SETS} | {"queue": redis.llen("queue:default")}
    posts = [
        *(["POST", f"/retries/{retries[0]}", {"retry": "1"}], ["POST", f"/retries/{retries[1]}", {"kill": "1"}]),
        *(["POST", f"/retries/{retries[2]}", {"delete": "1"}], ["POST", f"/morgue/{dead[0]}", {"retry": "1"}]),
        ["POST", f"/scheduled/{scheduled[0]}", {"add_to_queue": "1"}],
    ]
    assert [status for status, _ in ruby("web", requests=posts)] == [302] * len(posts)
    after = {key: redis.zcard(key) for key in SETS} | {"queue": redis.llen("queue:default")}
    assert {key: after[key] - before[key] for key in after} == {"retry": -3, "dead": 0, "schedule": -1, "queue": 3}

    everything = [["POST", "/retries/all/kill"], ["POST", "/scheduled/all/add_to_queue"]]
    assert [status for status, _ in ruby("web", requests=everything)] == [302, 302]
    assert (redis.zcard("retry"), redis.zcard("schedule")) == (0, 0)
    assert redis.zcard("dead") == after["dead"] + after["retry"]
    assert ruby("web", requests=[["POST", "/morgue/all/retry"]])[0][0] == 302
    assert redis.zcard("dead") == 0
    jobs = sum(redis.llen(key) for key in redis.keys("queue:*"))
    assert jobs == sum(after.values()) + redis.llen("queue:mail:x.y-z")
