"""The page of one job, wherever it is: what it shows, running it again, another time for it, and when it is gone."""

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from fastkiq.web.pages import waiting
from web_jobs import KEYS, NASTY, add, enqueue, failed, flash, payload, run
from web_server import ask, post

Web = Callable[..., str]
JID = "a" * 24


def put(redis: redis_py.Redis, where: str, job: dict[str, Any]) -> str:
    """Puts the job there; answers the path of its page."""
    if where in KEYS:
        return f"{where}/{add(redis, where, job)}"
    if where == "queue":
        enqueue(redis, job)
        return f"/queues/{job['queue']}/{job['jid']}"
    run(redis, job)
    return f"/busy/jobs/{job['jid']}"


def newest(redis: redis_py.Redis, queue: str = "mail") -> dict[str, Any]:
    """The job that came into the queue last."""
    found = json.loads(redis.lindex(f"queue:{queue}", 0))
    assert isinstance(found, dict)
    return found


def shown_text(text: str) -> str:
    """What the textarea holds."""
    found = re.search(r'<textarea name="args"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    assert found is not None
    return found[1].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("where", [*KEYS, "queue", "busy"])
def test_everything_is_shown(web: Web, redis: redis_py.Redis, where: str) -> None:
    path = put(redis, where, failed(tags=["nightly"], error_message="first line\nsecond line"))
    answer = ask(web() + path)
    assert answer.status == 200
    for text in (
        JID,
        "Mail",
        "nightly",
        "s3cret",
        "TimeoutError",
        "first line\nsecond line",
        "web_jobs.py",
        "Created",
    ):
        assert text in answer.text, text
    assert "1 more attempt failed whose time is not kept" in answer.text
    assert ("attempt 4 of 6" in answer.text) == (where not in ("/morgue", "/scheduled"))
    if where == "busy":
        assert "host:<wbr>1:<wbr>abc" in answer.text


@pytest.mark.parametrize("where", [*KEYS, "queue", "busy"])
def test_the_payload_is_a_file_that_no_browser_opens(web: Web, redis: redis_py.Redis, where: str) -> None:
    job = failed(args=[NASTY])
    answer = ask(web() + put(redis, where, job) + "/raw")
    assert answer.status == 200
    assert json.loads(answer.body) == job
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{JID}.json"'
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("where", [*KEYS, "queue", "busy"])
def test_what_is_long_is_cut_and_says_so(web: Web, redis: redis_py.Redis, where: str) -> None:
    job = failed(
        args=["x" * 150_000], error_message="y" * 30_000, error_backtrace=[f"/a.py:{n}:in f" for n in range(300)]
    )
    base, path = web(), put(redis, where, job)
    answer = ask(base + path)
    assert answer.status == 200
    assert len(answer.body) < 400_000
    assert "these are the first 50,000 characters" in answer.text
    assert "Shown are the first 50,000 characters" in answer.text
    assert "200 of 300 lines are shown" in answer.text
    assert len(ask(base + path + "/raw").body) > 150_000


def test_an_entry_too_long_to_be_read_is_not(web: Web, redis: redis_py.Redis) -> None:
    add(redis, "/morgue", json.dumps(failed(args=["x" * 1_200_000])).encode())
    base = web()
    found = re.search(r'class="job" href="([^"]+)"', ask(base + "/morgue").text)
    assert found is not None
    answer = ask(base + found[1])
    assert "too much to be shown here" in answer.text
    assert len(answer.body) < 50_000
    assert len(ask(f"{base}{found[1]}/raw").body) == 0


def test_frames_of_the_program_are_told_from_those_of_libraries(web: Web, redis: redis_py.Redis) -> None:
    lines = [
        "/srv/app/jobs.py:7:in Mail.perform",
        "/srv/app/.venv/lib/python3.12/site-packages/httpx/_client.py:1014:in Client.send",
        "/usr/lib/python3.12/ssl.py:1103:in SSLSocket.read",
        "<frozen runpy>:88:in _run_code",
        "app/models/user.rb:12:in `save'",
        "/usr/local/bundle/gems/rack-3.0/lib/rack.rb:3:in 'call'",
        "no frame at all",
    ]
    text = ask(web() + put(redis, "/retries", failed(error_backtrace=lines))).text
    own = re.findall(r'<li class="own"><span class="file">([^<]+):<b>', text)
    assert own == ["/srv/app/jobs.py", "app/models/user.rb"]
    assert text.count('<li><span class="file">') == 5


@pytest.mark.parametrize("where", [*KEYS, "queue", "busy"])
def test_again_with_other_arguments_as_a_new_job(
    web: Web, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.INFO, "fastkiq.web.audit")
    base, path = web(), put(redis, where, failed(tags=["nightly"], bid="batch"))
    assert json.loads(shown_text(ask(base + path).text)) == failed()["args"]
    answer = post(f"{base}{path}/again", {"args": '[2, "bob"]'})
    job = newest(redis)
    assert job["jid"] in flash(answer)
    assert job["jid"] != JID
    assert (job["class"], job["args"], job["tags"], job["retry"]) == ("shop.Mail", [2, "bob"], ["nightly"], 5)
    assert not {"bid", "error_class", "retry_count", "failed_at"} & job.keys()
    assert f"action=run-again who=- from=127.0.0.1 jid={JID} new_jid={job['jid']}" in caplog.text
    after = ask(base + answer.headers["location"])
    assert f'href="/search?q={job["jid"]}"' in after.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("[1, 2", "This is not JSON"),
        ("", "This is not JSON"),
        ('{"a": 1}', "must be a list"),
        ("[NaN]", "This is not JSON"),
        ("[1] <b>", "This is not JSON"),
        ('["x", "y", "z", "too many"]', "too many positional arguments"),
    ],
)
def test_what_is_wrong_with_what_was_typed_is_said_and_it_is_kept(
    web: Web, redis: redis_py.Redis, typed: str, said: str
) -> None:
    class Mail(fastkiq.Worker, name="shop.Mail"):
        def perform(self, number: int, to: str, more: dict[str, Any]) -> None: ...

    path = put(redis, "/retries", failed())
    answer = post(f"{web()}{path}/again", {"args": typed})
    assert answer.status == 400
    assert said in answer.text
    assert shown_text(answer.text) == typed
    assert redis.llen("queue:mail") == 0


def test_filtered_arguments_run_again_only_as_they_are(web: Web, redis: redis_py.Redis) -> None:
    base, path = web(filter_args=["token"]), put(redis, "/morgue", failed())
    text = ask(base + path).text
    assert '<textarea name="args"' not in text
    assert "cannot be edited here" in text
    for typed in ('[1, "ann@example.org", {"token": "[FILTERED]"}]', '["[FILTERED]"]', "[]", "nonsense"):
        answer = post(f"{base}{path}/again", {"args": typed})
        assert answer.status == 400
        assert "cannot be edited here" in answer.text
    assert redis.llen("queue:mail") == 0
    flash(post(f"{base}{path}/again"))
    assert newest(redis)["args"] == failed()["args"]


def test_unedited_arguments_are_those_that_are_stored(web: Web, redis: redis_py.Redis) -> None:
    base, path = web(), put(redis, "/morgue", failed(args=[1.0, "a\nb", "<&>"]))
    text = shown_text(ask(base + path).text)
    flash(post(f"{base}{path}/again", {"args": text.replace("\n", "\r\n") + "\r\n"}))
    assert newest(redis)["args"] == [1.0, "a\nb", "<&>"]


def test_active_jobs_run_again_as_they_are_and_encrypted_ones_not_at_all(web: Web, redis: redis_py.Redis) -> None:
    inner = {"job_class": "WelcomeJob", "arguments": ["ann"]}
    wrapped = failed(**{"class": "Sidekiq::ActiveJob::Wrapper", "wrapped": "WelcomeJob", "args": [inner]})
    base, path = web(), put(redis, "/morgue", wrapped)
    assert "can be changed in Rails only" in ask(base + path).text
    assert post(f"{base}{path}/again", {"args": '["bob"]'}).status == 400
    flash(post(f"{base}{path}/again"))
    assert newest(redis)["args"] == [inner]
    encrypted = put(redis, "/morgue", failed("b" * 24, encrypt=True, args=[1, "BAh"]))
    assert "are encrypted" in ask(base + encrypted).text
    assert post(f"{base}{encrypted}/again").status == 400
    assert redis.llen("queue:mail") == 1


@pytest.mark.parametrize("path", ["/retries", "/scheduled"])
def test_another_time(web: Web, redis: redis_py.Redis, path: str) -> None:
    base, page = web(), put(redis, path, failed())
    answer = post(f"{base}{page}/reschedule", {"amount": "3", "unit": "hours"})
    assert "has another time" in flash(answer)
    assert redis.zrange(KEYS[path], 0, -1, withscores=True)[0][1] == pytest.approx(time.time() + 10_800, abs=60)


@pytest.mark.parametrize(
    "form",
    [{}, {"amount": "-1"}, {"amount": "1.5"}, {"amount": "9" * 9}, {"amount": "1", "unit": "years"}, {"amount": "٣"}],
)
def test_what_is_no_time_is_refused(web: Web, redis: redis_py.Redis, form: dict[str, str]) -> None:
    page = put(redis, "/scheduled", payload())
    assert post(f"{web()}{page}/reschedule", form).status == 400
    assert redis.zscore("schedule", redis.zrange("schedule", 0, -1)[0]) == 2_000_000_000.25


def test_the_dead_have_no_time(web: Web, redis: redis_py.Redis) -> None:
    page = put(redis, "/morgue", failed())
    assert post(f"{web()}{page}/reschedule", {"amount": "1"}).status == 400


@pytest.mark.parametrize("where", [*KEYS, "queue", "busy"])
@pytest.mark.parametrize("deed", ["", "/raw", "/again", "/reschedule"])
def test_what_is_gone_is_told_and_can_be_searched_for(web: Web, redis: redis_py.Redis, where: str, deed: str) -> None:
    base, path = web(), put(redis, where, failed())
    redis.flushall()
    forms = {"": {"retry": "1", "delete": "1", "confirm": "1"}, "/reschedule": {"amount": "1"}}
    answers = [] if deed == "/reschedule" else [ask(base + path + deed)]
    if deed in ("", "/again", "/reschedule") and (where in KEYS or deed == "/again"):
        answers.append(post(base + path + deed, forms.get(deed, {})))
    for answer in answers:
        assert answer.status == 404
        assert f'href="/search?q={JID}"' in answer.text
    assert redis.dbsize() == 0


@pytest.mark.parametrize("key", ["x", "1.5", "nan-a", "1e999-a", "-", "1.5-", "0x10-a", "1_0-a"])
def test_what_is_no_key_is_told(web: Web, key: str) -> None:
    assert ask(f"{web()}/retries/{key}").status == 400


def test_a_waiting_job_is_deleted_once_asked(web: Web, redis: redis_py.Redis) -> None:
    base, path = web(), put(redis, "queue", payload())
    enqueue(redis, payload("b" * 24))
    assert "Delete this job?" in post(base + path, {"delete": "1"}).text
    assert redis.llen("queue:mail") == 2
    assert flash(post(base + path, {"delete": "1", "confirm": "1"})) == "1 job was deleted."
    assert newest(redis)["jid"] == "b" * 24


def test_a_waiting_job_deep_in_a_long_queue_is_looked_for_in_parts(
    web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_SECONDS", 0.0)
    enqueue(redis, payload())
    redis.lpush("queue:mail", *(b'{"class":"A","args":[],"jid":"%024d"}' % at for at in range(9_000)))
    base, url, parts = web(), f"/queues/mail/{JID}", 0
    while True:
        answer = ask(base + url)
        assert answer.status == 200
        following = re.search(r'href="([^"]+)" rel="next" data-goes-on', answer.text)
        if following is None:
            break
        assert "jobs were looked at" in answer.text
        url, parts = following[1].replace("&amp;", "&"), parts + 1
        assert parts < 500
    assert parts > 0
    assert "Waits for a process" in answer.text
    assert "Waits for a process" in ask(f"{base}/queues/mail/{JID}?near=head_9000").text
    assert ask(f"{base}/queues/mail/{JID}?near=nonsense").status == 400


def test_where_a_waiting_job_was_seen_is_known_to_all_that_its_page_does(
    web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(redis, payload())
    redis.lpush("queue:mail", *(b'{"class":"A","args":[],"jid":"%024d"}' % at for at in range(3_000)))
    base, path = web(), f"/queues/mail/{JID}"
    text = ask(f"{base}{path}?near=head_2900").text
    assert text.count('name="near" value="head_2900"') == 2
    link = re.search(r'href="([^"]+)" download', text)
    assert link is not None
    monkeypatch.setattr(waiting, "_PATIENCE", 0.0)  # of a look from the start
    assert json.loads(ask(base + link[1]).body)["jid"] == JID
    assert ask(f"{base}{path}/raw").status == 404
    flash(post(f"{base}{path}/again", {"near": "head_2900"}))
    assert newest(redis)["args"] == payload()["args"]
    assert "Delete this job?" in post(base + path, {"near": "head_2900", "delete": "1"}).text
