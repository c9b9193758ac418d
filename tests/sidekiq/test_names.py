"""Which side a job's class means something to, and what becomes of it on the other."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby, entries, ledger

Start = Callable[..., Child]


def later(redis: redis_py.Redis) -> list[tuple[dict[str, Any], float]]:
    """The retries that are not due."""
    return [(payload, score) for payload, score in entries(redis, "retry") if score > time.time()]


def test_a_name_of_ruby_s_is_answered(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """`Billing::Charge` is no Python name, and `name=` takes it; so does an alias."""
    app = (
        APP
        + """
class Charge(Echo, name="Billing::Charge", aliases=["Billing::OldCharge"]):
    pass
"""
    )
    worker_process(app, "-q", "billing").wait_for("ready")
    pushed = [
        ruby("push", item={"class": name, "args": [name], "queue": "billing", "retry": 2})
        for name in ("Billing::Charge", "Billing::OldCharge")
    ]
    wait_until(lambda: len(ledger(redis)) == 2, 15, "both to be run")
    assert sorted(ledger(redis)) == sorted(
        ["python", jid, [name]] for jid, name in zip(pushed, ("Billing::Charge", "Billing::OldCharge"), strict=True)
    )


def test_a_class_that_python_does_not_know_waits(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    """It costs no attempt, however often Python looks; Ruby then runs it as if nothing had been."""
    app = "import fastkiq\nclass Other(fastkiq.Worker):\n    def perform(self): ...\n"
    jid = ruby("push", item={"class": "Echo", "args": [1], "retry": 1, "unheard": [1.5]})
    child = worker_process(app)
    for _ in range(3):
        payload, _ = wait_until(lambda: next(iter(later(redis)), None), 15, "it to wait")
        assert (payload["jid"], payload["error_class"]) == (jid, "fastkiq.UnknownWorker")
        assert "retry_count" not in payload
        redis.zadd("retry", {redis.zrange("retry", 0, -1)[0]: 1.0})
    wait_until(lambda: later(redis), 15, "it to wait again")
    assert child.stop() == 0
    (member,) = redis.zrange("retry", 0, -1)
    redis.zadd("retry", {member: time.time() - 1})
    ruby.serve(poll=0.2)
    wait_until(lambda: ledger(redis) == [["ruby", jid, [1]]], 20, "Ruby to run it")
    assert redis.zcard("retry") == 0


@pytest.mark.parametrize("way", ["falls due", "retry", "add_to_queue"])
def test_a_class_that_ruby_does_not_know_waits_for_python(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str, way: str
) -> None:
    """Until it falls due, or Ruby's API puts it into its queue, which Python serves by then."""
    jid = fastkiq.Client(redis_url).push("myapp.jobs.Hard", "é")
    served = ruby.serve(poll=0.2)
    wait_until(lambda: redis.zcard("retry") == 1, 15, "Ruby to give up for now")
    ((payload, score),) = entries(redis, "retry")
    assert (payload["jid"], payload["error_class"], payload["retry_count"]) == (jid, "NameError", 0)
    assert score > time.time() + 10
    assert served.stop() == 0
    if way == "falls due":
        redis.zadd("retry", dict.fromkeys(redis.zrange("retry", 0, -1), time.time() - 1))
    else:
        ruby("act", acts=[{"set": "retry", "jid": jid, "action": way}])
    worker_process(APP + "\nclass Hard(Echo, name='myapp.jobs.Hard'):\n    pass\n")
    wait_until(lambda: ledger(redis) == [["python", jid, ["é"]]], 15, "Python to run it")
    assert redis.zcard("retry") == 0
