"""Retries, deaths and schedules of one side in the hands of the other."""

import base64
import json
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child, clean_environment
from children import fastkiq as command
from fastkiq._core import splice
from fastkiq.job import Job
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries, ledger

Start = Callable[..., Child]
Sets = dict[str, list[tuple[bytes, float]]]

AT = 4_000_000_000.25


def stored(redis: redis_py.Redis) -> Sets:
    """Each set's members, as they are."""
    return {key: redis.zrange(key, 0, -1, withscores=True) for key in ("schedule", "retry", "dead")}


@pytest.fixture
def filled(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> Sets:
    """Three entries of fastkiq's in each set, with the one score in the schedule."""
    client = fastkiq.Client(redis_url)
    for number in range(3):
        client.push("Boom", number, "é", retry=3, backtrace=20)
        client.push("LastBoom", number, 1e20, retry=0, backtrace=True, tags=["a", "ü"])
        client.push("Echo", number, {"\u2028": 1e-10}, at=AT)
    child = worker_process(APP)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == 3, 15, "the failures to be stored")
    assert child.stop() == 0
    return stored(redis)


def test_ruby_reads_python_s_entries(ruby: Ruby, filled: Sets) -> None:
    shown = ruby("sets")
    now = time.time()
    for key, members in filled.items():
        assert [entry["item"] for entry in shown[key]] == [json.loads(member) for member, _ in members][::-1]
        assert [entry["score"] for entry in shown[key]] == [score for _, score in members][::-1]
        assert all(now - 60 < entry["created_at"] <= now + 1 for entry in shown[key])
    for entry in shown["schedule"]:
        assert (entry["class"], entry["queue"], entry["at"]) == ("Echo", "default", AT)
    for key, class_name, message in (
        ("retry", "Boom", "boom <b>é\u2028 from Python"),
        ("dead", "LastBoom", "the last one"),
    ):
        for entry in shown[key]:
            assert (entry["class"], entry["error"], entry["message"]) == (class_name, "ValueError", message)
            assert now - 60 < entry["failed_at"] <= now + 1
            (line,) = entry["backtrace"]
            assert "/app.py:" in line
            assert line.endswith(f":in {class_name}.perform")
    assert all(entry["tags"] == ["a", "ü"] for entry in shown["dead"])


ACTIONS = [
    *(("schedule", action) for action in ("add_to_queue", "delete", "kill", "reschedule")),
    *(("retry", action) for action in ("retry", "add_to_queue", "delete", "kill", "reschedule")),
    *(("dead", action) for action in ("retry", "add_to_queue", "delete", "reschedule")),
]


@pytest.mark.parametrize(("key", "action"), ACTIONS, ids=lambda value: value)
def test_what_ruby_does_is_done_to_one_entry(
    ruby: Ruby, filled: Sets, redis: redis_py.Redis, key: str, action: str
) -> None:
    member, _ = filled[key][1]
    payload = json.loads(member)
    moment = time.time() + 1000.5
    when = {"at": moment} if action == "reschedule" else {}
    ruby("act", acts=[{"set": key, "jid": payload["jid"], "action": action, **when}])

    after = stored(redis)
    expected = {name: [pair for pair in pairs if pair[0] != member] for name, pairs in filled.items()}
    if action == "reschedule":
        assert redis.zscore(key, member) == pytest.approx(moment, abs=0.001)
        after[key] = [pair for pair in after[key] if pair[0] != member]
    elif action == "kill":
        (killed,) = [pair for pair in after["dead"] if pair not in expected["dead"]]
        assert json.loads(killed[0])["jid"] == payload["jid"]
        after["dead"].remove(killed)
    assert after == expected, "all others are as they were"

    queued = [json.loads(job) for job in redis.lrange("queue:default", 0, -1)]
    if action in ("retry", "add_to_queue"):
        (job,) = queued
        count = {"retry_count": payload["retry_count"] - 1} if action == "retry" else {}
        assert job == {**payload, **count, "enqueued_at": job["enqueued_at"]}
    else:
        assert queued == []


def test_what_the_web_ui_retries_goes_on_in_python(
    ruby: Ruby, filled: Sets, worker_process: Start, redis: redis_py.Redis
) -> None:
    """Ruby takes one from the count of failures, so that of a first failure is below zero meanwhile."""
    before = json.loads(filled["retry"][1][0])
    ruby("act", acts=[{"set": "retry", "jid": before["jid"], "action": "retry"}])
    child = worker_process(APP, name="again")
    wait_until(lambda: redis.zcard("retry") == 3, 15, "it to fail again")
    (after,) = [payload for payload, _ in entries(redis, "retry") if payload["jid"] == before["jid"]]
    assert (before["retry_count"], after["retry_count"]) == (0, 0)
    assert after["failed_at"] == before["failed_at"]
    assert after["retried_at"] > before["failed_at"]
    assert child.stop() == 0
    assert "make no sense" not in child.output()


def test_python_goes_on_with_ruby_s_entries(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    client = fastkiq.Client(redis_url)
    dying, failing = client.push("LastBoom", 1, retry=0, backtrace=True), client.push("Boom", 2, backtrace=20, retry=3)
    child = ruby.serve(poll=0.2)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == 1, 15, "Ruby's failures")
    assert child.stop() == 0

    (raw, score) = redis.zrange("dead", 0, -1, withscores=True)[0]
    job = Job.from_bytes(raw, at=score)
    assert (job.jid, job.class_name, job.args, job.retry_count) == (dying, "LastBoom", [1], 0)
    assert (job.error_class, job.error_message) == ("ArgumentError", "the last one")
    assert job.failed_at is not None
    assert abs(job.failed_at.timestamp() - time.time()) < 60
    assert "LastBoom" in frames(job.payload)[0] or "perform" in frames(job.payload)[0]

    # Due at once, with a field that fastkiq has never heard of.
    (raw, _) = redis.zrange("retry", 0, -1, withscores=True)[0]
    first = json.loads(raw)
    odd = b'{"bid":"x\\u00e9","cattr":{"_aj": [1.50]},' + raw[1:]
    redis.delete("retry")
    redis.zadd("retry", {odd: time.time() - 1})
    worker_process(APP)
    wait_until(lambda: b"from Python" in b"".join(redis.zrange("retry", 0, -1)), 15, "Python's")
    (second,) = redis.zrange("retry", 0, -1)
    assert second.startswith(b'{"bid":"x\\u00e9","cattr":{"_aj": [1.50]},'), "as it was stored"
    again = json.loads(second)
    assert (again["jid"], again["retry_count"], again["failed_at"]) == (failing, 1, first["failed_at"])
    assert again["retried_at"] > first["failed_at"]
    assert "/app.py:" in frames(again)[0]


UNHEARD = {
    "cattr": {"user": {"_aj_globalid": "gid://shop/User/7"}, "_aj_symbol_keys": ["user"]},
    "bid": "PxT0yrGQtXz0lA",
    "locale": "de",
    "tags": ["é\u2028", "b"],
    "unheard": [1.5e16, 1e-10, -0.0, 10**30, {"": [None]}],
}
"""Fields that other parts of Sidekiq's world keep in a payload."""


def test_ruby_s_entries_in_python_s_hands(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str, tmp_path: Path
) -> None:
    """Shown by commands, moved by the scheduler, run, and failed again; what nobody asks for stays as it was."""
    boom = ruby("push", item={"class": "Boom", "args": [1, "é"], "retry": 3, "backtrace": 20, **UNHEARD})
    last = ruby("push", item={"class": "LastBoom", "args": [], "retry": 0, "backtrace": True, **UNHEARD})
    later = ruby("push", item={"class": "Echo", "args": [2], "at": AT, **UNHEARD})
    child = ruby.serve(poll=0.2)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == 1, 15, "Ruby's failures")
    assert child.stop() == 0

    for command_, key in (("retries", "retry"), ("dead", "dead"), ("scheduled", "schedule")):
        words = command(command_, "--json", "--redis", redis_url)
        document = json.loads(subprocess.check_output(words, cwd=tmp_path, env=clean_environment(), timeout=30))
        (row,) = document["jobs"]
        (entry,) = ruby("sets")[key]
        error = f"{entry['error']}: {entry['message']}" if entry["error"] else None
        assert {name: value for name, value in row.items() if name not in ("times", "bytes", "id")} == {
            **{name: entry[name] for name in ("jid", "class", "queue", "args")},
            "at": entry["score"],
            "score": entry["score"],
            "error": error,
            "error_class": entry["error"],
            "error_message": entry["message"],
            "retry_count": entry["item"].get("retry_count"),
            "backtrace": entry["backtrace"] or [],
            "tags": UNHEARD["tags"],
            "payload": entry["item"],
            "raw": None,
        }
        assert Job.from_bytes(redis.zrange(key, 0, -1)[0]).error_backtrace == (entry["backtrace"] or [])
    (table,) = subprocess.check_output(command("dead", "--redis", redis_url), cwd=tmp_path, text=True).splitlines()[1:]
    assert all(word in table for word in (last, "LastBoom", "default", "ArgumentError: the last one"))

    before = {key: redis.zrange(key, 0, -1)[0] for key in ("retry", "schedule", "dead")}
    for key in ("retry", "schedule"):
        redis.zadd(key, {before[key]: time.time() - 1})
    worker_process(APP.replace("self.jid, args)", "self.jid, self.job.raw.decode())"))
    wait_until(lambda: b"from Python" in b"".join(redis.zrange("retry", 0, -1)), 15, "it to fail here")
    wait_until(lambda: redis.llen("ledger") == 1, 15, "the other to be run")
    (after,) = redis.zrange("retry", 0, -1)
    changing = ("enqueued_at", "error_class", "error_message", "error_backtrace", "retry_count", "retried_at")
    none = dict.fromkeys(changing)
    assert splice(after, none) == splice(before["retry"], none)
    assert (json.loads(after)["jid"], json.loads(after)["retry_count"]) == (boom, 1)
    ((_, jid, raw),) = ledger(redis)
    assert jid == later
    assert splice(raw.encode(), {"enqueued_at": None}) == before["schedule"]
    assert redis.zrange("dead", 0, -1) == [before["dead"]]


def test_ruby_goes_on_with_python_s_entries(ruby: Ruby, filled: Sets, redis: redis_py.Redis) -> None:
    for key in ("retry", "schedule"):
        redis.zadd(key, dict.fromkeys((member for member, _ in filled[key]), time.time() - 1))
    ruby.serve(poll=0.2)

    def again() -> list[dict[str, Any]]:
        return [payload for payload, _ in entries(redis, "retry") if payload["error_class"] == "ArgumentError"]

    wait_until(lambda: len(again()) == 3 and len(ledger(redis)) == 3, 20, "Ruby to run all that was due")
    first = {payload["jid"]: payload for payload in map(json.loads, (member for member, _ in filled["retry"]))}
    for payload in again():
        assert payload["retry_count"] == 1
        assert payload["failed_at"] == first[payload["jid"]]["failed_at"]
        assert "perform" in frames(payload)[0]
    assert sorted(args for _, _, args in ledger(redis)) == [[number, {"\u2028": 1e-10}] for number in range(3)]
    assert redis.zcard("dead") == 3


def frames(payload: dict[str, Any]) -> list[str]:
    """The backtrace in a payload."""
    lines: list[str] = json.loads(zlib.decompress(base64.b64decode(payload["error_backtrace"], validate=True)))
    return lines
