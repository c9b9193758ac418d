"""Busy, the page of a process and that of a running job, and what can be asked of processes."""

import json
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
import redis as redis_py

import fastkiq
from beating import beat, identity, told, work
from children import Child
from servers import wait_until
from web_server import Answer, ask, post

Web = Callable[..., str]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1>"


def flash(answer: Answer) -> tuple[str, str]:
    assert answer.status == 303, answer.text
    kind, text = json.loads(unquote((answer.cookie("fastkiq_flash") or "").strip('"')))
    return kind, text


def signals(redis: redis_py.Redis, name: str) -> list[bytes]:
    return list(redis.lrange(f"{name}-signals", 0, -1))


def rows(answer: Answer) -> list[str]:
    return re.findall(r'<tr data-key="([^"]+)"', answer.text)


def test_processes_and_their_jobs(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1), concurrency=20)
    work(redis, identity(1), "abc", tags=["vip"], args=[{"token": "s3cret", "x": 1}])
    beat(redis, identity(2), ago=40, quiet="true", version="8.1.7", embedded=True, rtt_us=90_000)
    work(redis, identity(2), "xyz", jid="2" * 24)
    page = ask(web(filter_args=["token"]) + "/busy")
    assert page.status == 200
    assert rows(page) == [identity(1), identity(2), f"{identity(1)}/abc/{'1' * 24}", f"{identity(2)}/xyz/{'2' * 24}"]
    for text in ("1 of 20", "critical ×3, default ×1", "by weight", "100 MiB", "90 ms", "Overdue", "Quiet", "Embedded"):
        assert text in re.sub("<wbr>", "", page.text), text
    assert "s3cret" not in page.text
    assert page.text.count("data-stack=") == 1, "Sidekiq's cannot tell"
    assert "No live stack" in page.text
    assert page.text.count('name="stop"') == 2, "of the one process, and of all: not of the embedded one"
    (seconds,) = re.findall(r'data-elapsed="([\d.]+)"', page.text)[:1]
    assert 6 <= float(seconds) < 20


def test_a_job_that_tells_how_far_it_is(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1))
    for number, said in enumerate([[30, 120, f"reading {XSS}"], [7, None, None], ["x"], None]):
        jid = f"{number}" * 24
        work(redis, identity(1), f"t{number}", jid=jid)
        if said is not None:
            redis.hset(f"fastkiq:result:{jid}", "progress", json.dumps(said))
    redis.set(f"fastkiq:result:{'3' * 24}", "no hash")
    page = ask(web() + "/busy")
    assert page.text.count("<progress") == 2
    assert '<progress max="1" value="0.25"' in page.text
    assert "30 / 120 reading" in re.sub("<wbr>", "", page.text)
    assert "<script>window.xss" not in page.text
    assert "30 / 120 reading" in re.sub("<wbr>", "", ask(web() + f"/busy/jobs/{'0' * 24}").text)
    assert "Progress" not in ask(web() + f"/busy/jobs/{'3' * 24}").text


def test_no_process_and_no_job(web: Web) -> None:
    page = ask(web() + "/busy")
    assert "No process is running" in page.text
    assert "No job is running" in page.text
    assert "Stop all" not in page.text


@pytest.mark.parametrize("only", ["processes", "jobs"])
def test_one_list_by_its_cursor(web: Web, redis: redis_py.Redis, only: str) -> None:
    for number in range(5):
        beat(redis, identity(number))
        work(redis, identity(number), "a", jid=f"{number:024x}")
    base, seen = web(), []
    url = f"{base}/busy?only={only}&count=2"
    for _ in range(3):
        page = ask(url)
        seen += rows(page)
        assert "of 5" in page.text
        following = re.search(r'href="([^"]+)" rel="next"', page.text)
        url = base + (following[1].replace("&amp;", "&") if following else "")
    assert seen == [
        identity(number) if only == "processes" else f"{identity(number)}/a/{number:024x}" for number in range(5)
    ]
    assert following is None


@pytest.mark.parametrize("query", ["only=x", "count=0", "count=501", "count=x", "processes=xyz", "jobs=%00", "jobs=zz"])
def test_a_query_that_is_none(web: Web, query: str) -> None:
    assert ask(f"{web()}/busy?{query}").status == 400


@pytest.mark.parametrize(
    ("action", "signal", "said"),
    [
        ("quiet", b"TSTP", "was asked to take no more jobs"),
        ("stop", b"TERM", "was asked to stop"),
        ("dump", b"TTIN", "to write the stacks of all its threads to its log"),
        ("stacks", b"STACKS", "was asked for its stacks"),
    ],
)
def test_a_process_is_asked(
    web: Web, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture, action: str, signal: bytes, said: str
) -> None:
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    beat(redis, identity(1))
    base = web()
    if action in ("quiet", "stop"):
        question = post(base + "/busy", {"identity": identity(1), action: "1"})
        assert question.status == 200
        assert "Are you sure?" in question.text
        assert signals(redis, identity(1)) == []
    answer = post(base + "/busy", {"identity": identity(1), action: "1", "confirm": "1"})
    kind, text = flash(answer)
    assert (kind, said in text, "within 5 s" in text) == ("ok", True, True)
    assert answer.headers["location"] == "/busy"
    assert signals(redis, identity(1)) == [signal]
    (record,) = caplog.records
    assert record.message == f"action={action} who=- from=127.0.0.1 process={identity(1)} count=1"


@pytest.mark.parametrize(("action", "signal"), [("quiet", b"TSTP"), ("stop", b"TERM")])
def test_all_but_the_embedded_are_asked(web: Web, redis: redis_py.Redis, action: str, signal: bytes) -> None:
    for number in range(3):
        beat(redis, identity(number), embedded=number == 1)
    base = web()
    assert "Are you sure?" in post(base + "/busy", {action: "1"}).text
    kind, text = flash(post(base + "/busy", {action: "1", "confirm": "1"}))
    assert kind == "ok"
    assert text.startswith("2 processes were asked")
    assert "1 runs inside of another program" in text
    assert [signals(redis, identity(number)) for number in range(3)] == [[signal], [], [signal]]


@pytest.mark.parametrize("action", ["quiet", "stop", "dump"])
def test_an_embedded_one_is_not_asked(web: Web, redis: redis_py.Redis, action: str) -> None:
    beat(redis, identity(1), embedded=True)
    kind, text = flash(post(web() + "/busy", {"identity": identity(1), action: "1", "confirm": "1"}))
    assert (kind, "which alone may end it" in text) == ("error", True)
    assert signals(redis, identity(1)) == []


def test_one_that_is_gone(web: Web, redis: redis_py.Redis) -> None:
    base = web()
    kind, text = flash(post(base + "/busy", {"identity": identity(1), "stop": "1", "confirm": "1"}))
    assert (kind, "is gone" in text) == ("warning", True)
    assert redis.keys("*") == []
    assert ask(f"{base}/busy/{identity(1)}").status == 404
    assert ask(f"{base}/busy/{identity(1)}/a").status == 404


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"identity": "x"},
        {"identity": "x", "quiet": "1", "stop": "1"},
        {"dump": "1"},
        {"stacks": "1"},
        {"identity": "", "stop": "1"},
        {"identty": "x", "stop": "1"},
    ],
)
def test_a_form_that_is_none(web: Web, form: dict[str, str]) -> None:
    assert post(web() + "/busy", form).status == 400


def test_another_site_and_readers_change_nothing(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1))
    work(redis, identity(1), "a")
    told(redis, identity(1), {"a": ["/app/x.py:3:in run"]})
    form = {"identity": identity(1), "stacks": "1"}
    assert post(web() + "/busy", form, Sec_Fetch_Site="cross-site").status == 403
    base = web(read_only=True)
    assert post(base + "/busy", form).status == 403
    assert signals(redis, identity(1)) == []
    for path in ("/busy", f"/busy/{identity(1)}", f"/busy/{identity(1)}/a"):
        page = ask(base + path)
        assert page.status == 200
        assert 'method="post"' not in page.text
    assert "/app/x.py:3:in run" in page.text, "what others have asked for may be read"


def test_no_process_of_sidekiqs_is_asked_for_stacks(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1), version="8.1.7")
    work(redis, identity(1), "a")
    base = web()
    kind, text = flash(post(base + "/busy", {"identity": identity(1), "stacks": "1"}))
    assert (kind, "8.1.7, which can only log its stacks" in text) == ("error", True)
    assert signals(redis, identity(1)) == []
    assert "can only write their stacks to their log" in ask(f"{base}/busy/{identity(1)}/a").text


def test_being_asked_again_is_audited_once_and_sent_once(
    web: Web, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    beat(redis, identity(1))
    url, form = web() + "/busy", {"identity": identity(1), "stacks": "1"}
    assert post(url, form, X_Fastkiq_Live="1").status == 204
    told(redis, identity(1), {})
    assert post(url, form, X_Fastkiq_Live="1").status == 204
    assert signals(redis, identity(1)) == [b"STACKS"]
    assert len(caplog.records) == 1


def test_the_stack_of_a_job_is_told_apart(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1))
    work(redis, identity(1), "a b")
    url = f"{web()}/busy/{identity(1)}/a%20b"
    assert "has not told of its stacks within the last minute" in ask(url).text
    told(redis, identity(1), {"other": ["x"]})
    assert "it had not begun then" in re.sub(r"\s+", " ", ask(url).text)
    library = "/usr/lib/python3.12/asyncio/tasks.py:649:in sleep"
    told(
        redis, identity(1), {"a b": ["/app/x.py:3:in Mail.perform", "    send()", library, "    await future", "(cut)"]}
    )
    whole, part = ask(url), ask(url, headers={"X-Fastkiq-Part": "stack"})
    assert "<html" in whole.text
    assert "<html" not in part.text
    for page in (whole, part):
        kinds = re.findall(r'<span class="(own|library|note)">(.+)\n', page.text)
        assert [kind for kind, _ in kinds] == ["own", "own", "library", "library", "note"]
    assert ask(url + "c").status == 404, "no such thread"
    assert ask(f"{url}?jid={'1' * 24}").status == 200
    assert ask(f"{url}?jid={'2' * 24}").status == 404, "another job has come into this thread"
    work(redis, identity(1), "a b", jid="2" * 24)
    page = ask(url)
    assert "it had not begun then" in re.sub(r"\s+", " ", page.text)
    assert "Mail.perform" not in page.text, "that was the job before"


def test_the_page_of_a_process_has_all_its_threads(web: Web, redis: redis_py.Redis) -> None:
    capsules = {"a": {"concurrency": 3, "mode": "strict", "weights": {f"q{n}": 0 for n in range(40)}}}
    beat(redis, identity(1), capsules=capsules)
    work(redis, identity(1), "a")
    base = web()
    assert "and 28 more" in ask(base + "/busy").text
    url = f"{base}/busy/{identity(1)}"
    page = ask(url)
    assert "q39" in page.text
    assert "in this order" in page.text
    assert "it answers at its next heartbeat" in page.text
    back = post(base + "/busy", {"identity": identity(1), "stacks": "1", "page": "process"})
    assert unquote(back.headers["location"]) == f"/busy/{identity(1)}"
    own = 'Thread main (1):\n  File "/app/x.py", line 3, in run\n    wait()\n'
    own = 'Thread main (1):\n  File "/app/x.py", line 3, in run\n    wait()\n'
    dump = own + 'Thread b (2):\n  File "/x/site-packages/y.py", line 1, in z'
    told(redis, identity(1), {}, dump)
    kinds = re.findall(r'<span class="(own|library|thread)">', ask(url).text)
    assert kinds == ["thread", "own", "own", "thread", "library"]


def test_what_means_harm_is_text(web: Web, redis: redis_py.Redis) -> None:
    name = identity(1)
    capsules = {XSS: {"concurrency": XSS, "mode": XSS, "weights": {XSS: XSS}}, "b": 3, "c": {"weights": []}}
    beat(redis, name, hostname=XSS, tag=XSS, labels=[XSS], version=f"fastkiq {XSS}", capsules=capsules, rss=XSS)
    work(redis, name, XSS, **{"class": XSS, "jid": XSS, "tags": [XSS], "args": [XSS], "queue": XSS})
    work(redis, name, "a", jid="..")
    work(redis, name, "b", jid="")
    told(redis, name, {XSS: [XSS], "a": [XSS, f"{XSS}:3:in {XSS}", f"    {XSS}"]}, f"Thread {XSS} (1):\n{XSS}")
    redis.hset(f"{name}:work", "junk", b"\xff\x00")
    redis.hset(name, "busy", 4)
    beat(redis, XSS)
    redis.sadd("processes", b"\xff\xfe", "no hash", "")
    redis.set("a string", 1)
    redis.sadd("processes", "a string")
    base = web()
    for path in ("/busy", f"/busy/{quote(name)}", f"/busy/{quote(name)}/a", f"/busy/{quote(name)}/junk"):
        page = ask(base + path)
        assert page.status == 200, page.text
        assert "<script>window" not in page.text
        assert "<img" not in page.text
        assert 'href="/busy/."' not in page.text
        assert 'href="/busy/jobs/.."' not in page.text
    assert flash(post(base + "/busy", {"identity": XSS, "dump": "1"}))[0] == "ok"
    assert signals(redis, XSS) == [b"TTIN"]


def test_more_jobs_than_a_page_has_rows_are_said(web: Web, redis: redis_py.Redis) -> None:
    beat(redis, identity(1))
    with redis.pipeline() as pipeline:
        for number in range(600):
            entry = {"queue": "q", "payload": "{}", "run_at": time.time()}
            pipeline.hset(f"{identity(1)}:work", str(number), json.dumps(entry))
        pipeline.hset(identity(1), "busy", 600)
        pipeline.execute()
    base = web()
    for path in ("/busy?only=jobs", f"/busy/{identity(1)}"):
        page = ask(base + path)
        assert len(rows(page)) == 500
        assert "500 of 600 running jobs are shown" in page.text


APP = """
    import asyncio, time, fastkiq

    fastkiq.configure(lease=2, queues=["default"], concurrency=2)

    class Sleep(fastkiq.Worker):
        def perform(self, secret):
            self.deeper()

        def deeper(self):
            time.sleep(60)

    class Await(fastkiq.Worker):
        async def perform(self, secret):
            await self.deeper()

        async def deeper(self):
            await asyncio.sleep(60)
"""


def test_a_real_worker_tells_quiets_and_stops(
    web: Web, worker_process: Callable[..., Child], redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP, "-t", "0.1")
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push("app.Sleep", "s3cret")
    client.push("app.Await", "s3cret")
    base = web()
    wait_until(lambda: ask(base + "/busy").text.count("data-stack=") == 2, 15, "both jobs on the page")
    page = ask(base + "/busy").text
    (name,) = set(re.findall(r'data-process="([^"]+)"', page))
    post(base + "/busy", {"identity": name, "stacks": "1"})
    frames: dict[str, list[str]] = {}
    for url in re.findall(r'data-stack="([^"]+)"', page):
        wait_until(lambda url=url: "<pre" in ask(base + url).text, 15, "the stack")
        found = ask(base + url).text
        own = re.findall(r'<span class="own">.+:in (\w+)\.(\w+)\n', found)
        frames[own[0][0]] = [function for _, function in own]
        library = re.findall(r'<span class="library">.+:in (\w+)\n', found)
        assert library == (["sleep"] if own[0][0] == "Await" else [])
    assert frames == {"Sleep": ["perform", "deeper"], "Await": ["perform", "deeper"]}
    assert "Thread MainThread" in ask(f"{base}/busy/{name}").text
    post(base + "/busy", {"identity": name, "quiet": "1", "confirm": "1"})
    wait_until(lambda: '<span class="badge warning">Quiet' in ask(base + "/busy").text, 15, "it to be quiet")
    post(base + "/busy", {"stop": "1", "confirm": "1"})
    assert child.process.wait(20) == 0
    assert "No process is running" in ask(base + "/busy").text
