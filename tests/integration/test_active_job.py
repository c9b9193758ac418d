"""Payloads of Rails' Active Job on a real `fastkiq process`: found by what they wrap, and stored as they came."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, json, fastkiq
    from fastkiq.client import default

    def note(*values):
        default().core.command("RPUSH", "notes", repr(values))

    @fastkiq.configure().server_middleware.add
    def seen(worker, job):
        default().core.command("RPUSH", "seen", json.dumps([job.class_name, job.args, job.payload["class"]]))
        yield

    class Mail(fastkiq.Worker, name="MailJob", retry=2):
        def perform(self, to, count=1, when=None):
            if to == "nobody":
                raise ValueError("no such address")
            while to == "busy" and not self.interrupted:
                import time; time.sleep(0.01)
            note(self.jid, self.job.class_name, to, count, when)

    class AsyncMail(fastkiq.Worker, name="Mailers::AsyncJob"):
        async def perform(self, to, count=1):
            await asyncio.sleep(0)
            note(self.jid, fastkiq.current_job().class_name, to, count)
"""
WRAPPERS = ["Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"]


def wrapped(name: str, *stored: Any, wrapper: str = WRAPPERS[0], **more: Any) -> str:
    data = {"job_class": name, "job_id": "u-u-i-d", "arguments": list(stored), "executions": 0}
    payload = {"retry": True, "queue": "default", "wrapped": name, "args": [data], "class": wrapper, "jid": "a" * 24}
    return json.dumps({**payload, "created_at": 1795305947963, **more}, separators=(",", ":"))


def notes(redis: redis_py.Redis, count: int) -> list[Any]:
    wait_until(lambda: redis.llen("notes") >= count, 15, f"{count} notes")
    return [eval(note) for note in redis.lrange("notes", 0, -1)]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_they_run_on_the_worker_of_their_name(worker_process: Start, redis: redis_py.Redis, wrapper: str) -> None:
    keywords = {"to": "bob", "count": 2, "_aj_ruby2_keywords": ["to", "count"]}
    redis.lpush("queue:default", wrapped("MailJob", keywords, wrapper=wrapper))
    redis.lpush("queue:default", wrapped("Mailers::AsyncJob", "ann", wrapper=wrapper))
    child = worker_process(APP)
    assert sorted(notes(redis, 2)) == [
        ("a" * 24, "MailJob", "bob", 2, None),
        ("a" * 24, "Mailers::AsyncJob", "ann", 1),
    ]
    assert child.stop() == 0
    assert sorted(json.loads(entry) for entry in redis.lrange("seen", 0, -1)) == [
        ["MailJob", [{"to": "bob", "count": 2}], wrapper],
        ["Mailers::AsyncJob", ["ann"], wrapper],
    ]
    assert not redis.keys("fastkiq:flight:*")


@pytest.mark.parametrize(
    ("job", "error", "message", "retry_count"),
    [
        (wrapped("MailJob", "nobody"), "ValueError", "no such address", 0),
        (wrapped("MailJob"), "TypeError", "'to'", 0),
        (
            wrapped("MailJob", [{"_aj_globalid": "gid://app/User/7"}]),
            "fastkiq.ArgumentError",
            "arguments[0][0] is a",
            0,
        ),
        (wrapped("MailJob", "x").replace('"arguments"', '"args"'), "fastkiq.ArgumentError", "no list of arguments", 0),
        (wrapped("OtherJob", "x"), "fastkiq.UnknownWorker", "OtherJob", None),
        (wrapped("", "x"), "fastkiq.UnknownWorker", WRAPPERS[0], None),
    ],
)
def test_one_that_fails_waits_as_it_was(
    worker_process: Start, redis: redis_py.Redis, job: str, error: str, message: str, retry_count: int | None
) -> None:
    redis.lpush("queue:default", job)
    child = worker_process(APP)
    (member,) = wait_until(lambda: redis.zrange("retry", 0, -1), 15, "it to wait")
    assert member.decode().startswith(job[:-1]), "class, wrapped and arguments byte for byte"
    payload = json.loads(member)
    assert payload["error_class"] == error
    assert message in payload["error_message"]
    assert payload.get("retry_count") == retry_count
    assert child.stop() == 0
    name = json.loads(job)["wrapped"] or WRAPPERS[0]
    assert f"class={name}" in child.output()


def test_listings_show_what_is_wrapped(
    worker_process: Start, redis: redis_py.Redis, redis_url: str, tmp_path: Path
) -> None:
    redis.lpush("queue:default", wrapped("MailJob", "busy", {"a": 1, "_aj_symbol_keys": ["a"]}))
    redis.zadd("schedule", {wrapped("MailJob", {"_aj_globalid": "gid://app/User/7"}): 4e9})
    worker_process(APP)
    wait_until(lambda: redis.keys("*:work"), 15, "the work in progress")

    def shown(command: str) -> Any:
        words = fastkiq(command, "--json", "--redis", redis_url)
        return json.loads(subprocess.check_output(words, env=clean_environment(), cwd=tmp_path, timeout=30))

    (work,) = shown("busy")["work"]
    assert (work["class"], work["args"]) == ("MailJob", ["busy", {"a": 1}])
    (later,) = shown("scheduled")["jobs"]
    assert (later["class"], later["args"]) == ("MailJob", ["gid://app/User/7"])
