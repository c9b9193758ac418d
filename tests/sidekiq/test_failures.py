"""Each way in which a job fails in Python, as Ruby's API has it and as the pages of the Web UI show it."""

import html
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries

Start = Callable[..., Child]

FAILING = (
    APP
    + """
import threading
fastkiq.configure(lease=3)

class Killed(fastkiq.Worker, name="Killed", retry=5, backtrace=True):
    def perform(self):
        raise fastkiq.Kill("by itself")

class Unicode(fastkiq.Worker, name="Unicode", backtrace=True):
    def perform(self, how):
        if how == "surrogate":
            raise ValueError("lone \\ud800 and \\x00 \\x1b[31m <script>")
        if how == "name":
            raise type("Fehler\\u00fc\\u2028", (Exception,), {})("é😀\\u2028")
        raise ValueError("x" * 20_000)

class Silent(fastkiq.Worker, name="Silent", backtrace=False):
    def perform(self):
        raise ValueError()

class Deep(fastkiq.Worker, name="Deep", backtrace=3):
    def perform(self, depth):
        self.perform(depth - 1) if depth else 1 / 0

class Pill(fastkiq.Worker, name="Pill"):
    def perform(self):
        threading.Event().wait()
"""
)
MESSAGE = "boom <b>é\u2028 from Python"


@pytest.fixture
def failed(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> dict[str, str]:
    """What has failed, by a name: the jid of each."""
    client = fastkiq.Client(redis_url)
    pill = client.push("Pill")
    redis.hset("fastkiq:suspects", pill, f"2:0:{redis.time()[0]}")  # two processes have died of it
    first = worker_process(FAILING)
    wait_until(lambda: redis.hget("fastkiq:suspects", pill).startswith(b"2:1:"), 15, "its third start")
    first.kill()
    jids = {
        "pill": pill,
        "first": client.push("Boom", "<i>", retry=3, backtrace=20),
        "second": client.push("Boom", {"é\u2028": [1e20]}, retry=3, backtrace=20),
        "exhausted": client.push("Boom", retry=1, backtrace=20),
        "at once": client.push("LastBoom", retry=0, backtrace=True),
        "killed": client.push("Killed"),
        "unknown": client.push("myapp.Unknown"),
        "arguments": client.push("Deep", 1, 2, 3),
        "surrogate": client.push("Unicode", "surrogate"),
        "name": client.push("Unicode", "name"),
        "long": client.push("Unicode", "long"),
        "no backtrace": client.push("Silent"),
        "three lines": client.push("Deep", 50, backtrace=3),
    }
    second = worker_process(FAILING, name="app")
    wait_until(lambda: redis.zcard("retry") + redis.zcard("dead") == len(jids), 20, "all to fail")
    again = [jids["second"].encode(), jids["exhausted"].encode()]
    redis.zadd("retry", {each: 1.0 for each in redis.zrange("retry", 0, -1) if any(jid in each for jid in again)})
    wait_until(lambda: redis.zcard("dead") == 4, 15, "the last try of one")
    wait_until(lambda: all(score > time.time() for _, score in entries(redis, "retry")), 15, "the second of another")
    assert second.stop() == 0
    return jids


WAITING = {"first", "second", "unknown", "arguments", "surrogate", "name", "long", "no backtrace", "three lines"}


def test_each_failure_is_shown_as_it_was(ruby: Ruby, redis: redis_py.Redis, failed: dict[str, str]) -> None:
    sets = ruby("sets")
    names = {jid: name for name, jid in failed.items()}
    retries = {names[entry["jid"]]: entry for entry in sets["retry"]}
    dead = {names[entry["jid"]]: entry for entry in sets["dead"]}
    assert retries.keys() == WAITING
    assert dead.keys() == failed.keys() - WAITING
    shown = retries | dead
    told = {name: (entry["error"], entry["message"]) for name, entry in shown.items()}
    assert {told[name] for name in ("first", "second", "exhausted")} == {("ValueError", MESSAGE)}
    assert told["at once"] == ("ValueError", "the last one")
    assert told["killed"] == ("fastkiq.Kill", "by itself")
    assert told["pill"][0] == "fastkiq.PoisonPill"
    assert told["unknown"][0] == "fastkiq.UnknownWorker"
    assert told["arguments"][0] == "TypeError"
    assert told["surrogate"] == ("ValueError", "lone ? and \x00 \x1b[31m <script>")
    assert told["name"] == ("app.Fehlerü\u2028", "é😀\u2028")
    assert told["long"] == ("ValueError", "x" * 10_000)
    assert told["no backtrace"] == ("ValueError", "")

    counts = {name: entry["item"].get("retry_count") for name, entry in shown.items()}
    assert {name for name, count in counts.items() if count is None} == {"unknown", "pill"}
    assert {name for name, count in counts.items() if count == 1} == {"second", "exhausted"}
    again = {name for name, entry in shown.items() if "retried_at" in entry["item"]}
    assert again == {"second", "exhausted"}
    assert all(time.time() - 120 < entry["failed_at"] <= time.time() + 1 for entry in shown.values())
    backtraces = {name: entry["backtrace"] for name, entry in shown.items()}
    assert {name for name, lines in backtraces.items() if lines is None} == {"unknown", "pill", "no backtrace"}
    assert all("/app.py:" in lines[0] for name, lines in backtraces.items() if lines and name != "arguments")
    assert [line.rpartition(":in ")[2] for line in backtraces["three lines"]] == ["Deep.perform"] * 3


def test_each_page_shows_it(ruby: Ruby, failed: dict[str, str]) -> None:
    """The lists, and the page of each entry with its error, its arguments and its unpacked backtrace."""
    sets = ruby("sets")
    every = [(path, entry) for key, path in (("retry", "retries"), ("dead", "morgue")) for entry in sets[key]]
    details = [["GET", f"/{path}/{entry['score']}-{entry['jid']}"] for path, entry in every]
    lists = [["GET", "/retries"], ["GET", "/morgue"], ["GET", "/"], ["GET", "/busy"], ["GET", "/queues"]]
    answers = ruby("web", requests=[*lists, *details])
    assert {status for status, _ in answers} == {200}
    pages = [html.unescape(body) for _, body in answers]
    for (path, entry), page in zip(every, pages[len(lists) :], strict=True):
        listed = pages[0 if path == "retries" else 1]
        assert entry["jid"] in listed
        assert entry["error"] in listed
        for wanted in (entry["jid"], entry["class"], entry["error"], entry["message"], *(entry["backtrace"] or ())):
            assert wanted in page, (entry["jid"], wanted)
    raw = {entry["jid"]: body for (_, entry), (_, body) in zip(every, answers[len(lists) :], strict=True)}
    assert "&lt;i&gt;" in raw[failed["first"]], "its argument"
    assert "[31m &lt;script&gt;" in raw[failed["surrogate"]]
