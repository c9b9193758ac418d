"""Jobs for the pages to show, kind ones and hostile ones, as Redis holds them; and what to read in the answers."""

import json
import re
import time
from typing import Any
from urllib.parse import quote, unquote

import redis as redis_py

from fastkiq import backtrace
from web_server import Answer

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
"""What no page may pass on as it is."""
KEYS = {"/retries": "retry", "/scheduled": "schedule", "/morgue": "dead"}


def payload(jid: str = "a" * 24, **changes: Any) -> dict[str, Any]:
    """A job that has never failed; a change to None takes a field out."""
    now = int(time.time() * 1000)
    job = {
        "retry": 5,
        "queue": "mail",
        "class": "shop.Mail",
        "args": [1, "ann@example.org", {"token": "s3cret", "to": {"Password": "hunter2", "name": "Ann"}}],
        "jid": jid,
        "created_at": now - 60_000,
        "enqueued_at": now - 59_000,
        **changes,
    }
    return {key: value for key, value in job.items() if value is not None}


def failed(jid: str = "a" * 24, **changes: Any) -> dict[str, Any]:
    """A job that has failed three times."""
    try:
        raise TimeoutError
    except TimeoutError as error:
        told = backtrace.compressed(error)
    now = int(time.time() * 1000)
    said = {"error_class": "TimeoutError", "error_message": "smtp-7 did not answer within 10 s", "retry_count": 2}
    times = {"failed_at": now - 50_000, "retried_at": now - 5_000, "error_backtrace": told}
    return payload(jid, **{**said, **times, **changes})


def add(redis: redis_py.Redis, path: str, job: dict[str, Any] | bytes, score: float = 2_000_000_000.25) -> str:
    """Puts it into the set of that page; answers `score-jid`."""
    raw = job if isinstance(job, bytes) else json.dumps(job, separators=(",", ":")).encode()
    score = float(score)
    redis.zadd(KEYS[path], {raw: score})
    jid = "" if isinstance(job, bytes) else str(job.get("jid", ""))
    return f"{score!r}-{jid}"


def fill(redis: redis_py.Redis, path: str, number: int, score: float = 2e9, **changes: Any) -> None:
    """Many failed jobs, whose jids are their numbers in hex, a second apart."""
    head, tail = json.dumps(failed("JID", error_backtrace=None, **changes), separators=(",", ":")).split("JID")
    for first in range(0, number, 5_000):
        some = range(first, min(number, first + 5_000))
        redis.zadd(KEYS[path], {f"{head}{at:024x}{tail}": score + at for at in some})


def enqueue(redis: redis_py.Redis, job: dict[str, Any]) -> None:
    """Puts it into its queue."""
    redis.sadd("queues", job["queue"])
    redis.lpush(f"queue:{job['queue']}", json.dumps(job, separators=(",", ":")))


def run(redis: redis_py.Redis, job: dict[str, Any], identity: str = "host:1:abc") -> None:
    """Lets it run, by the heartbeat of a made-up process."""
    info = {"hostname": "host", "pid": 1, "tag": "", "concurrency": 5, "queues": ["mail"], "version": "fastkiq 0.1.0"}
    redis.sadd("processes", identity)
    redis.hset(identity, mapping={"info": json.dumps(info), "busy": 1, "concurrency": 5, "beat": time.time()})
    told = {"queue": job["queue"], "payload": json.dumps(job), "run_at": int(time.time()) - 5}
    redis.hset(f"{identity}:work", "tid1", json.dumps(told))


def segment(text: str) -> str:
    """As a part of a path."""
    return quote(text, safe="")


def flash(answer: Answer) -> str:
    """The message that travels to the next page."""
    assert answer.status == 303, answer.text[:2_000]
    cookie = answer.cookie("fastkiq_flash")
    assert cookie is not None
    return str(json.loads(unquote(cookie.strip('"')))[1])


def rows(answer: Answer) -> list[str]:
    """The keys of the rows."""
    assert answer.status == 200, answer.text[:2_000]
    return re.findall(r'<tr data-key="([^"]+)"', answer.text)


def hidden(answer: Answer) -> list[tuple[str, str]]:
    """The fields of the form in the page's main part."""
    form = answer.text.partition("<main")[2].partition("</main>")[0]
    return re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
