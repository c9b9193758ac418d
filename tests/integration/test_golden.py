"""fastkiq beside the recorded Sidekiq, without any Ruby: after the same operation the same keys, types, TTLs and bytes.

What differs on purpose is named here, each with its reason; everything else must be the same.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq import api, deploy
from fastkiq.api.process import signal
from golden import Snapshot, fields, recorded, snapshot
from servers import wait_until

Start = Callable[..., Child]
pytestmark = pytest.mark.both_servers

APP = """
    import time
    import fastkiq

    class Fails(fastkiq.Worker, name="Fails", retry=3, backtrace=3):
        def perform(self, number):
            raise ValueError("boom é")

    class Last(fastkiq.Worker, name="Last", retry=0, tags=["a"]):
        def perform(self, number):
            raise ValueError("the last one")

    class Discards(fastkiq.Worker, name="Discards"):
        @classmethod
        def retry_in(cls, count, error, job):
            return fastkiq.DISCARD

        def perform(self, number):
            raise ValueError("no more")

    class Undead(fastkiq.Worker, name="Undead", retry=0, dead=False):
        def perform(self, number):
            raise ValueError("no more")

    class Slow(fastkiq.Worker, name="Slow"):
        def perform(self, number):
            time.sleep(60)

    class Noop(fastkiq.Worker, name="Noop"):
        def perform(self):
            pass
"""
ARGS = [1, 2.5, "é", None, True, {"a": [1]}]
# A whole process has run here, and of Sidekiq one thread alone, which has no hash and counts nothing.
OF_A_PROCESS = {"IDENTITY", "j|DATE|H:MM", "j|DATE|H:M"}
OF_A_PROCESS |= {"stat:processed", "stat:processed:DATE", "stat:failed", "stat:failed:DATE"}
FAILS = {"retry": 3, "backtrace": 3}
Push = Callable[[fastkiq.Client], Any]
PUSHES: dict[str, Push] = {
    "push": lambda client: client.push("Hard", *ARGS),
    "push_in": lambda client: client.push("Hard", *ARGS, in_=600),
    "push_at": lambda client: client.push("Hard", *ARGS, at=time.time() + 600),
    "bulk": lambda client: client.push_bulk("Hard", [[1], [2], [3]]),
    "set": lambda client: client.push("Hard", 1, queue="critical", retry=5, tags=["a", "é"]),
}
RUNS: dict[str, Push] = {
    "first_failure": lambda client: client.push("Fails", 1, **FAILS),
    "death": lambda client: client.push("Last", 1, retry=0, tags=["a"]),
    "no_retry": lambda client: client.push("Fails", 1, retry=False),
    "discarded": lambda client: client.push("Discards", 1),
    "not_kept": lambda client: client.push("Undead", 1, retry=0, dead=False),
}


def compare(redis: redis_py.Redis, operation: str, extra: set[str] | None = None, changed: Any = None) -> None:
    """`extra`: keys that fastkiq has besides; `changed` makes of Sidekiq's what fastkiq's is to be."""
    theirs, ours = recorded()[operation], snapshot(redis, operation)
    ours = {key: found for key, found in ours.items() if not key.startswith("fastkiq:") and key not in (extra or set())}
    if changed is not None:
        changed(theirs)
    assert plain(ours) == plain(theirs)
    assert orders(ours) == orders(theirs)


def plain(found: Snapshot) -> Snapshot:
    """Without the order of fields, which no reader minds."""

    def value(held: Any) -> Any:
        if isinstance(held, list):
            return [value(each) for each in held]
        if isinstance(held, dict):
            return {key: value(each) for key, each in held.items()}
        return fields(held)

    return {key: {**facts, "value": value(facts["value"])} for key, facts in found.items()}


def with_concurrency(theirs: Snapshot) -> None:
    """Readers up to 8.1.1 look for it in `info`."""
    info = theirs["IDENTITY"]["value"]["info"]
    theirs["IDENTITY"]["value"]["info"] = info.replace('"labels"', '"concurrency":2,"labels"')


@pytest.mark.parametrize("operation", PUSHES)
def test_pushes(redis: redis_py.Redis, redis_url: str, operation: str) -> None:
    PUSHES[operation](fastkiq.Client(redis_url))
    compare(redis, operation)


def test_a_deploy_mark(redis: redis_py.Redis, redis_url: str) -> None:
    assert deploy.mark("a deploy", client=fastkiq.Client(redis_url))
    compare(redis, "mark")


def test_a_signal(redis: redis_py.Redis, redis_url: str) -> None:
    signal(api.connect(url=redis_url), ["host:1:0123456789ab"], "TSTP")
    compare(redis, "signal")


def test_another_time(redis: redis_py.Redis, redis_url: str) -> None:
    fastkiq.Client(redis_url).push("Hard", 1, in_=600)
    (entry,) = api.ScheduledSet(api.connect(url=redis_url))
    assert entry.reschedule(time.time() + 900)
    compare(redis, "rescheduled")


BY_HAND: dict[str, tuple[Push, Callable[[api.Redis], bool]]] = {
    "retried": (RUNS["death"], lambda inspected: next(iter(api.DeadSet(inspected))).retry()),
    "killed": (RUNS["first_failure"], lambda inspected: next(iter(api.RetrySet(inspected))).kill()),
}


@pytest.mark.parametrize("operation", BY_HAND)
def test_by_hand(redis: redis_py.Redis, redis_url: str, worker_process: Start, operation: str) -> None:
    push, act = BY_HAND[operation]
    push(fastkiq.Client(redis_url))
    worker = worker_process(APP)
    wait_until(lambda: redis.get("stat:failed") == b"1", 20, "the failure")
    assert worker.stop() == 0
    assert act(api.connect(url=redis_url))
    compare(redis, operation, OF_A_PROCESS)


def orders(found: Snapshot) -> list[list[str]]:
    """The fields of each payload, in order, but for `class`.

    It is the one that differs: Sidekiq has it before the arguments or after them, by the way of the push and options;
    fastkiq always after them.
    """

    def texts(value: Any) -> list[str]:
        if isinstance(value, list):
            return [text for each in value for text in texts(each)]
        return [value] if isinstance(value, str) and '"jid":' in value else []

    payloads = [text for key in sorted(found) for text in texts(found[key]["value"])]
    return [[field for field in fields(text) if field != "class"] for text in payloads]


@pytest.mark.parametrize("operation", RUNS)
def test_failures(redis: redis_py.Redis, redis_url: str, worker_process: Start, operation: str) -> None:
    RUNS[operation](fastkiq.Client(redis_url))
    worker = worker_process(APP)
    wait_until(lambda: redis.get("stat:failed") == b"1", 20, "the failure")
    assert worker.stop() == 0
    compare(redis, operation, OF_A_PROCESS)


def test_the_second_failure_and_the_moves(redis: redis_py.Redis, redis_url: str, worker_process: Start) -> None:
    client = fastkiq.Client(redis_url)
    client.push("Fails", 1, **FAILS)
    worker = worker_process(APP)
    wait_until(lambda: redis.zcard("retry") == 1, 20, "the failure")
    ((first, _),) = redis.zrange("retry", 0, -1, withscores=True)
    redis.zadd("retry", {first: 1})
    wait_until(lambda: redis.zcount("retry", 2, "+inf") == 1, 20, "the second one")
    assert worker.stop() == 0
    compare(redis, "second_failure", OF_A_PROCESS)

    redis.delete("retry")
    redis.zadd("retry", {first: 1})
    mover = worker_process(APP, "-q", "other")
    wait_until(lambda: redis.llen("queue:default") == 1, 20, "the move")
    assert mover.stop() == 0
    compare(redis, "moved_retry", OF_A_PROCESS)

    redis.delete("queue:default", *redis.keys("stat:*"))
    client.push("Hard", 1, in_=600)
    redis.zadd("schedule", dict.fromkeys(redis.zrange("schedule", 0, -1), 1))
    mover = worker_process(APP, "-q", "other", name="again")
    wait_until(lambda: redis.llen("queue:default") == 1, 20, "the move")
    assert mover.stop() == 0
    compare(redis, "moved", OF_A_PROCESS)


def test_a_process_its_work_and_its_stop(redis: redis_py.Redis, redis_url: str, worker_process: Start) -> None:
    client = fastkiq.Client(redis_url)
    worker = worker_process(APP, "-c", "2", "-q", "default,2", "-q", "low,1", "-g", "mine", "-t", "1")
    worker.wait_for("ready")
    client.push("Slow", 1, queue="low")
    client.push("Noop")
    wait_until(lambda: list(redis.scan_iter("*:work")) and redis.get("stat:processed") == b"1", 30, "a beat")
    (identity,) = redis.smembers("processes")
    wait_until(lambda: redis.hget(identity, "busy") == b"1", 15, "a beat that has seen the one end")

    def as_fastkiq(theirs: Snapshot) -> None:
        # Sidekiq writes both counts at each beat; fastkiq each when it rises, in the script that ends the job.
        del theirs["stat:failed"], theirs["stat:failed:DATE"]
        with_concurrency(theirs)

    compare(redis, "process", changed=as_fastkiq)
    worker.stop()

    def stopped(theirs: Snapshot) -> None:
        # It beats when it is told to stop, and not only at its next beat.
        theirs["IDENTITY"]["value"]["quiet"] = "true"
        with_concurrency(theirs)

    compare(redis, "stopped", changed=stopped)
