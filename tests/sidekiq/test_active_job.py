"""Jobs that Rails' Active Job enqueues and Python runs, and those that go back to Rails when Python fails."""

import datetime as datetime_module
import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
import redis as redis_py

from children import Child
from servers import wait_until
from sidekiq.conftest import unfit
from sidekiq.judge import APP, COMMAND, Ruby, RubyError, entries, ledger
from sidekiq.test_jobs import ROWS as ALL_ROWS
from sidekiq.test_jobs import same

Start = Callable[..., Child]

# Rails nests arguments four deeper, which leaves less of Ruby's hundred.
ROWS = [row for row in ALL_ROWS if sum(map(json.dumps(row).count, "[{")) < 90]

ADAPTERS = {
    "sidekiq": "Sidekiq::ActiveJob::Wrapper",
    "rails": "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper",
}
"""Whose adapter enqueues -> as what."""

RAILS = (
    APP
    + """
class EchoJob(fastkiq.Worker, name="EchoJob"):
    def perform(self, *args):
        note("ledger", "python", self.jid, repr(args))

class MailJob(fastkiq.Worker, name="MailJob", retry=3):
    def perform(self, to, count=1, at=None):
        if to == "boom":
            raise ValueError("boom <b>é from Python")
        note("ledger", "python", self.jid, repr((to, count, at)))
"""
)
OBJECTS = (
    "sym",
    {"a": 1, "b": {"c": ["d"]}},
    {"x": {"y": 1}},
    datetime(2026, 11, 22, 0, 5, 47, 123456, UTC),
    datetime(2026, 11, 22, 5, 35, 47, 0, timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 11, 22, 1, 2, 3, 500_000, timezone(timedelta(hours=2))),
    date(2026, 11, 22),
    Decimal("-1.50"),
    timedelta(seconds=90),
    timedelta(seconds=2_629_746),
)
"""What rails.rb has under this name."""


@pytest.fixture(autouse=True, scope="module")
def rails() -> None:
    """An older folder of Debian's packages has Sidekiq and no Active Job."""
    if COMMAND and subprocess.run([*COMMAND, "-e", 'require "active_job"'], capture_output=True).returncode:
        unfit("the Ruby of FASTKIQ_RUBY has no Active Job; tests/sidekiq/setup.sh sets one up that has")


def python_ran(redis: redis_py.Redis) -> dict[str, Any]:
    """The arguments by jid, as Python showed them."""
    return {
        jid: eval(told, {"datetime": datetime_module, "Decimal": Decimal})
        for side, jid, told in ledger(redis)
        if side == "python"
    }


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_rails_enqueues_and_python_runs(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, adapter: str) -> None:
    worker_process(RAILS, "-q", "default", "-q", "other").wait_for("ready")
    try:
        sent = ruby("perform_later", adapter=adapter, rows=ROWS)
    except RubyError as error:
        if "cannot load such file" in str(error):
            unfit("this release of Active Job has no adapter of its own for Sidekiq any more")
        raise
    wait_until(lambda: len(ledger(redis)) >= 3 * len(ROWS) + 2, 20, "all to be run")
    ran = python_ran(redis)
    for way in ("now", "later"):
        assert same([list(ran.pop(jid)) for jid in sent[way]]) == same(ROWS), way
    objects, keywords = ran.pop(sent["objects"]), ran.pop(sent["keywords"])
    assert objects == OBJECTS
    assert [value.utcoffset() for value in objects[3:6]] == [value.utcoffset() for value in OBJECTS[3:6]]
    assert keywords == ("bob", 5, date(2026, 11, 22))
    assert same([list(args) for args in ran.values()]) == same(ROWS), "perform_all_later"

    waiting = {payload["jid"]: payload for payload, _ in wait_for_retries(redis, 2)}
    assert waiting.keys() == {sent["record"], sent["boom"]}
    assert {payload["class"] for payload in waiting.values()} == {ADAPTERS[adapter]}
    assert "arguments[0] is a GlobalID, 'gid://shop/Order/7'" in waiting[sent["record"]]["error_message"]


def wait_for_retries(redis: redis_py.Redis, count: int) -> list[tuple[dict[str, Any], float]]:
    wait_until(lambda: redis.zcard("retry") == count, 15, f"{count} retries")
    return entries(redis, "retry")


def test_what_fails_in_python_goes_on_in_rails(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """Sidekiq shows it as the job that it wraps, and its retry runs there with the arguments of Rails, records too."""
    child = worker_process(RAILS)
    sent = ruby("perform_later", adapter="sidekiq", rows=[])
    failed = {payload["jid"]: payload for payload, _ in wait_for_retries(redis, 2)}
    assert child.stop() == 0
    shown = {entry["jid"]: entry for entry in ruby("sets")["retry"]}
    assert {entry["class"] for entry in shown.values()} == {"MailJob"}
    assert shown[sent["boom"]]["args"] == ["boom", {"count": 2}]
    assert shown[sent["record"]]["args"] == ["gid://shop/Order/7"]
    assert (shown[sent["boom"]]["error"], shown[sent["boom"]]["message"]) == ("ValueError", "boom <b>é from Python")
    paths = [["GET", "/retries"]] + [["GET", f"/retries/{e['score']}-{jid}"] for jid, e in shown.items()]
    assert all(status == 200 and "MailJob" in body for status, body in ruby("web", requests=paths))

    redis.zadd("retry", dict.fromkeys(redis.zrange("retry", 0, -1), time.time() - 1))
    ruby.serve(adapter="sidekiq", poll=0.2)
    wait_until(lambda: any(side == "ruby" for side, _, _ in ledger(redis)), 20, "Rails to run it")
    ((jid, told),) = [(jid, told) for side, jid, told in ledger(redis) if side == "ruby"]
    assert jid == sent["record"]
    assert told.startswith("[#<Order")
    wait_until(lambda: b"boom from Rails" in b"".join(redis.zrange("retry", 0, -1)), 15, "the other to fail again")
    ((again, _),) = entries(redis, "retry")
    first = failed[sent["boom"]]
    assert (again["retry_count"], again["failed_at"]) == (1, first["failed_at"])
    assert {key: again[key] for key in ("class", "wrapped", "args")} == {
        key: first[key] for key in ("class", "wrapped", "args")
    }


def test_what_fails_in_rails_goes_on_in_python(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    sent = ruby("perform_later", adapter="sidekiq", rows=[])
    served = ruby.serve(adapter="sidekiq", poll=0.2)
    ((first, _),) = wait_for_retries(redis, 1)
    assert (first["jid"], first["error_message"]) == (sent["boom"], "boom from Rails")
    assert served.stop() == 0
    (member,) = redis.zrange("retry", 0, -1)
    redis.zadd("retry", {member: time.time() - 1})
    worker_process(RAILS)
    wait_until(lambda: b"from Python" in b"".join(redis.zrange("retry", 0, -1)), 15, "it to fail here")
    ((again, _),) = entries(redis, "retry")
    changing = {"error_class", "error_message", "error_backtrace", "retry_count", "retried_at", "enqueued_at"}
    assert {key: again[key] for key in again if key not in changing} == {
        key: first[key] for key in first if key not in changing
    }
    assert again["retry_count"] == 1


def test_rails_retries_what_python_does_not_know(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """It waits under the name of the job, at no cost, and Rails runs it as if nothing had been."""
    child = worker_process(APP)
    sent = ruby("perform_later", adapter="sidekiq", rows=[["é"]])
    waiting = [payload for payload, _ in wait_for_retries(redis, 6)]
    assert child.stop() == 0
    assert {payload["error_class"] for payload in waiting} == {"fastkiq.UnknownWorker"}
    assert not any("retry_count" in payload for payload in waiting)
    assert all(f"defines {payload['wrapped']}" in payload["error_message"] for payload in waiting)
    redis.zadd("retry", dict.fromkeys(redis.zrange("retry", 0, -1), time.time() - 1))
    ruby.serve("-q", "default", "-q", "other", adapter="sidekiq", poll=0.2)
    wait_until(lambda: len(ledger(redis)) == 6, 20, "Rails to run all but one")
    assert {side for side, _, _ in ledger(redis)} == {"ruby"}
    assert {jid: told for _, jid, told in ledger(redis)}[sent["keywords"]].startswith('["bob", 5, {')


FIRST: list[Any] = [None, 5, 1.5, True, "x", [1], {}, "ActionMailer::DeliveryJob", "ActionMailer::MailDeliveryJob"]
STORED: list[Any] = [None, "x", 5, {}, {"a": 1}, [], [1], ["A", "b", "deliver_now", 5], [{"_aj_globalid": None}]]
MAIL = ["UserMailer", "welcome", "deliver_now", {"args": [1], "_aj_ruby2_keywords": ["args"]}]


def test_whatever_a_wrapper_holds_the_pages_answer(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """Sidekiq unwraps what it shows, and a page that trips over one entry shows none. Fastkiq writes no such entry."""
    names: list[Any] = [
        "Mail",
        "ActionMailer::DeliveryJob",
        "ActionMailer::MailDeliveryJob",
        None,
        False,
        7,
        "",
        [],
        {"a": 1},
    ]
    args = [[], *([first] for first in FIRST), *([{"arguments": stored}] for stored in [*STORED, MAIL])]
    jobs = [
        {"class": wrapper, "args": each, "jid": f"{number:024x}", "retry": 2}
        | ({} if name is None else {"wrapped": name})
        for number, (wrapper, name, each) in enumerate(product(ADAPTERS.values(), names, args))
    ]
    redis.lpush("queue:default", *map(json.dumps, jobs))
    child = worker_process(APP + "\nclass Mail(Echo, name='Mail'):\n    pass\n")
    wait_until(lambda: redis.zcard("retry") + redis.llen("ledger") == len(jobs), 30, "all to be looked at")
    assert child.stop() == 0
    waiting = entries(redis, "retry")
    details = [["GET", f"/retries/{score!r}-{payload['jid']}"] for payload, score in waiting]
    pages = [["GET", f"/retries?count=100&page={page}"] for page in range(1, len(waiting) // 100 + 2)]
    assert {status for status, _ in ruby("web", requests=pages + details)} == {200}
    shown = {entry["jid"]: entry["class"] for entry in ruby("sets")["retry"]}
    sound = [job for job in jobs if job["args"] == [{"arguments": MAIL}] and isinstance(job.get("wrapped"), str)]
    mailers = [job["jid"] for job in sound if job["wrapped"].startswith("ActionMailer")]
    assert {shown[jid] for jid in mailers} == {"UserMailer#welcome"}
    assert all(payload["wrapped"].startswith("Act") for payload, _ in waiting if payload["jid"] in mailers)
