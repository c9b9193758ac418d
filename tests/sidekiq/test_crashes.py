"""The crash table: what takes a page of Sidekiq's Web UI down, asked of the real one; `tests/readable.py` says it."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from children import Child
from readable import flaw
from servers import wait_until
from sidekiq.judge import APP, Ruby

PLACES = ("retry", "dead", "schedule", "queue:mail")
NOW = 1_795_305_947_963
GOOD: dict[str, Any] = {
    "class": "A",
    "args": [1],
    "jid": "a" * 24,
    "queue": "default",
    "retry": True,
    "created_at": NOW,
    "enqueued_at": NOW,
    "failed_at": NOW,
    "retry_count": 0,
}
GONE = object()
BACKTRACE = base64.b64encode(zlib.compress(b'["a:1"]')).decode()
WRAPPER = "Sidekiq::ActiveJob::Wrapper"
INFINITE = float("inf")


def entry(**fields: Any) -> bytes:
    """A good payload with these fields instead; infinity is written as 1e999, which is JSON."""
    payload = {key: value for key, value in {**GOOD, **fields}.items() if value is not GONE}
    return json.dumps(payload).replace("Infinity", "1e999").encode()


ROWS: dict[str, list[Any]] = {
    "tags": [GONE, None, False, [], ["a", 1, None], {}, "x", True, 5],
    "cattr": [GONE, None, [], {"a": 1}, False, "x", 5],
    "queue": [GONE, None, 5, "a/b ?"],
    "created_at": [GONE, None, False, 0, -5, 1.5, 10**40, "2026", True, [1], INFINITE],
    "enqueued_at": [GONE, None, 1.5, "2026-01-01T00:00:00Z", True, {}],
    "failed_at": [GONE, None, 1.5, "x"],
    "retry_count": [GONE, None, False, -1, 0.5, 3, "3", True, [], {}],
    "error_backtrace": [GONE, None, False, BACKTRACE, "", "zz", "eJzz", ["a:1"], 5],
    "args": [GONE, None, [], {"a": 1}, "x"],
    "class": [GONE, None, 5, {}],
    "jid": [GONE, None, 5, ""],
    "encrypt": [False, True],
    "display_class": [5],
    "error_message": [[1], {}],
}
RAW = [
    b"no job",
    b"",
    b"[1]",
    b"5",
    b"null",
    b"{}",
    b"\xff\xfe",
    entry(args=["\ud800"]),
    entry(args=[float("nan")]),
    entry().replace(b"[1]", b'[{"a":1,"a":2}]'),
    entry().replace(b"{", b'{"class":"B",', 1),
    b"\xef\xbb\xbf" + entry(),
    b" \n" + entry() + b" ",
    entry().replace(b'"A"', b'"A\x01"'),
    entry().replace(b"[1]", b"[01]"),
    *(entry(**{"class": WRAPPER, "wrapped": "X", "args": args}) for args in ([], [5], [[1]], [{}], ["x"])),
    *(entry(encrypt=True, args=args) for args in ([], GONE, ["secret"])),
    entry(retry_count=3, retried_at=NOW, failed_at=GONE),
    entry(retry_count=3, retried_at="x"),
]
# Ruby shows some of these, and fastkiq does not leave them in a set all the same. "Retry All" takes what is no JSON out
# of the dead set before it finds that it cannot read it; without a jid (`{}`) an entry has no page that could crash.
STRICTER = {"dead": {"it is no JSON object", "queue"}}


def test_the_predicate_is_ruby_s(ruby: Ruby) -> None:
    values = [entry(**{key: value}) for key, all_of_it in ROWS.items() for value in all_of_it] + RAW
    rows = [(key, value) for value in values for key in PLACES]
    crashes = ruby("crashes", rows=[[key, base64.b64encode(value).decode()] for key, value in rows])
    wrong = []
    for (key, value), pages in zip(rows, crashes, strict=True):
        found = flaw(key, value)
        if (found is not None) != bool(pages) and found not in STRICTER.get(key, set()):
            wrong.append((key, value, found, pages))
    assert wrong == [], "\n".join(map(str, wrong))
    both = {(key, bool(pages)) for (key, _), pages in zip(rows, crashes, strict=True)}
    assert both == {(key, crashed) for key in PLACES for crashed in (True, False)}, "each kind of page has crashed"


def test_retry_all_loses_what_ruby_cannot_read(ruby: Ruby, redis: Any) -> None:
    """Why nothing of the kind is left in a set, though the page of the dead set shows it."""
    redis.zadd("dead", {b"no job": 1})
    with pytest.raises(RuntimeError, match="ParserError"):
        ruby("web", requests=[["POST", "/morgue/all/retry"]])
    assert redis.zcard("dead") == 0


REFUSED: dict[str, list[Any]] = {
    "at": ["soon", None, [], {}, INFINITE],
    "tags": [{}, {"a": 1}, "x", True],
    "retry_for": ["1h", [1], True, 10**10, INFINITE],
    "queue": ["", None, 5],
    "retry_count": ["3", INFINITE],
    "display_class": [INFINITE],
    "unheard": [INFINITE],
}


@pytest.mark.parametrize("kind", ["fastkiq.Unreadable", "Boom", "LastBoom", "Unknown"])
def test_retry_all_loses_nothing_that_fastkiq_has_put_away(
    ruby: Ruby, worker_process: Callable[..., Child], redis: redis_py.Redis, kind: str
) -> None:
    """What Sidekiq's client refuses to push has been taken out of the set before."""
    fields = [(key, value) for key, values in REFUSED.items() for value in values]
    for number, (key, value) in enumerate(fields):
        redis.lpush("queue:default", entry(**{"class": kind, "jid": f"{number:024}", key: value}))
    child = worker_process(APP)
    child.wait_for("ready")
    wait_until(lambda: redis.zcard("retry") + redis.zcard("dead") == len(fields), 15, "all of them")
    assert child.stop() == 0
    for key, page in (("retry", "retries"), ("dead", "morgue")):
        if redis.zcard(key):
            ruby("web", requests=[["POST", f"/{page}/all/retry"]])
    queued = [json.loads(job)["jid"] for job in redis.lrange("queue:default", 0, -1)]
    assert sorted(queued) == [f"{number:024}" for number in range(len(fields))]


INFO = {"hostname": "h", "started_at": 1.0, "pid": 1, "queues": ["default"], "capsules": {}}
PAYLOAD = entry().decode()


def test_a_process_without_these_takes_the_page_of_all_down(ruby: Ruby) -> None:
    infos = [
        INFO,
        {key: value for key, value in INFO.items() if key != "started_at"},
        {key: value for key, value in INFO.items() if key not in ("queues", "capsules")},
    ]
    works: list[dict[str, Any]] = [
        {"queue": "default", "payload": PAYLOAD, "run_at": 1},
        {},
        {"queue": "default", "payload": entry(tags="x").decode(), "run_at": 1},
    ]
    rows = [("info", value) for value in infos] + [("work", value) for value in works]
    crashes = ruby(
        "crashes", rows=[[key, base64.b64encode(json.dumps(value).encode()).decode()] for key, value in rows]
    )
    assert [bool(pages) for pages in crashes] == [False, True, True, False, True, True]
