"""Recurring jobs in real processes: declared, entered, fired, missed, paused, replaced."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import redis as redis_py

from children import Child
from fastkiq import api
from servers import Server, wait_until

Start = Callable[..., Child]

APP = """
    import time
    import fastkiq
    class Beat(fastkiq.Worker, cron="* * * * * *", tags=["t"], name="Beat"):
        '''Every second.'''
        def perform(self) -> None:
            tick = self.tick.timestamp()
            print(f"beat {tick:.3f} late {time.time() - tick:.4f} {self.jid}", flush=True)
"""
QUIET = """
    import fastkiq
    class Far(fastkiq.Worker, cron="0 0 1 1 *", name="Far"):
        def perform(self) -> None: ...
"""
EMPTY = """
    import fastkiq
    class Plain(fastkiq.Worker):
        def perform(self) -> None: ...
"""


def stored(redis: redis_py.Redis, name: str) -> dict[str, Any]:
    raw = redis.hget("fastkiq:cron", name)
    assert raw is not None
    found: dict[str, Any] = json.loads(raw)
    return found


def next_of(redis: redis_py.Redis, name: str) -> float | None:
    return redis.zscore("fastkiq:cron:next", name)


def history(redis: redis_py.Redis, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in redis.lrange(f"fastkiq:cron:history:{name}", 0, -1)]


def put(redis: redis_py.Redis, name: str, following: float, /, **fields: Any) -> None:
    """An entry as the API adds it."""
    definition = {"name": name, "class": "Ruby", "args": [], "queue": "ruby", "source": "api", **fields}
    redis.hset("fastkiq:cron", name, json.dumps(definition))
    redis.zadd("fastkiq:cron:next", {name: following})


def pushed(redis: redis_py.Redis, queue: str = "ruby") -> list[dict[str, Any]]:
    """The jobs in a queue that nobody serves, oldest first."""
    return [json.loads(raw) for raw in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


@pytest.mark.both_servers
def test_ticks_come_in_time_and_tell_their_moment(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP)
    text = child.wait_for(lambda output: output.count("beat ") >= 4)
    beats = [line.split() for line in text.splitlines() if line.startswith("beat ")]
    ticks = [float(beat[1]) for beat in beats]
    assert ticks == [int(ticks[0]) + index for index in range(len(ticks))]
    assert max(float(beat[3]) for beat in beats) < 1.0  # on a busy machine; at rest some milliseconds
    assert stored(redis, "Beat")["description"] == "Every second."
    lines = history(redis, "Beat")
    assert [line["jid"] for line in lines][::-1][: len(beats)] == [beat[4] for beat in beats]
    assert {line["how"] for line in lines} == {"tick"}
    assert all(0 <= line["at"] - line["tick"] < 1 for line in lines)
    assert child.stop() == 0


def test_the_payload_is_that_of_every_other_push(worker_process: Start, redis: redis_py.Redis) -> None:
    put(redis, "café", time.time() - 1, at=5, args=["é", {"a": [1.5]}], options={"retry": 3, "tags": ["x"]})
    child = worker_process(EMPTY)
    wait_until(lambda: redis.llen("queue:ruby"), 10)
    [raw] = redis.lrange("queue:ruby", 0, -1)
    payload = json.loads(raw)
    tick = payload["cron"]["tick"]
    assert raw.decode() == (
        '{"retry":3,"queue":"ruby","tags":["x"],"args":["\\u00e9", {"a": [1.5]}],"class":"Ruby",'
        f'"jid":"{payload["jid"]}","created_at":{payload["created_at"]},"enqueued_at":{payload["created_at"]},'
        f'"cron":{{"name":"café","tick":{tick}}}}}'
    )
    assert len(payload["jid"]) == 24
    assert isinstance(tick, int)
    assert redis.sismember("queues", "ruby")
    assert history(redis, "café")[0]["jid"] == payload["jid"]
    assert next_of(redis, "café") is None, "it comes once"
    assert child.stop() == 0


def test_other_changes_leave_the_next_tick_and_a_new_time_does_not(
    worker_process: Start, redis: redis_py.Redis
) -> None:
    app = """
        import fastkiq
        class Job(fastkiq.Worker, every={every}, name="Job", retry={retry}):
            def perform(self) -> None: ...
    """
    first = worker_process(app.format(every=600, retry=3))
    at = wait_until(lambda: next_of(redis, "Job"), 10)
    assert first.stop() == 0
    redis.zadd("fastkiq:cron:next", {"Job": at - 100})
    second = worker_process(app.format(every=600, retry=7), name="second")
    wait_until(lambda: stored(redis, "Job")["options"]["retry"] == 7, 10)
    assert next_of(redis, "Job") == at - 100
    assert second.stop() == 0
    third = worker_process(app.format(every=1200, retry=7), name="third")
    wait_until(lambda: stored(redis, "Job")["every"] == 1200, 10)
    assert time.time() + 1_100 < (next_of(redis, "Job") or 0) < time.time() + 1_202
    assert third.stop() == 0


@pytest.mark.parametrize(
    ("missed", "jobs", "how"), [("skip", 0, {"skipped"}), ("once", 1, {"missed"}), ("all", 3, {"missed"})]
)
@pytest.mark.parametrize("kind", ["cron", "every"])
def test_missed_ticks(
    worker_process: Start, redis: redis_py.Redis, missed: str, jobs: int, how: set[str], kind: str
) -> None:
    latest = (time.time() - 1_000) // 60 * 60
    when = {"cron": f"{time.gmtime(latest).tm_min} * * * *"} if kind == "cron" else {"every": 3600}
    put(redis, "hourly", latest - 7200, missed=missed, **when)
    child = worker_process(EMPTY)
    wait_until(lambda: next_of(redis, "hourly") == latest + 3600, 10)
    assert len(pushed(redis)) == jobs
    ticks = [latest - 7200, latest - 3600, latest][-jobs:] if jobs else []
    assert [job["cron"]["tick"] / 1000 for job in pushed(redis)] == ticks
    assert {line["how"] for line in history(redis, "hourly")} == how
    assert child.stop() == 0


@pytest.mark.parametrize(("lease", "how"), [(5, "skipped"), (30, "tick"), (60, "tick")])
def test_how_late_a_tick_may_be_follows_the_lease(
    worker_process: Start, redis: redis_py.Redis, tmp_path: Any, lease: float, how: str
) -> None:
    """The only ones that may fire it may have died on another host, which takes a lease and 10 s to be found out."""
    (tmp_path / "fastkiq.toml").write_text(f"lease = {lease}\n")
    put(redis, "hourly", time.time() - max(33, lease + 8), every=3600, missed="skip")
    child = worker_process(EMPTY)
    [line] = wait_until(lambda: history(redis, "hourly"), 10)
    assert line["how"] == how
    assert len(pushed(redis)) == (how == "tick")
    assert child.stop() == 0


@pytest.mark.parametrize("missed", ["skip", "once", "all"])
@pytest.mark.parametrize("when", [{"cron": "*/2 * * * * *"}, {"every": 2}], ids=["cron", "every"])
def test_short_spans_are_missed_as_long_ones_are(
    worker_process: Start, redis: redis_py.Redis, missed: str, when: dict[str, Any]
) -> None:
    """Within the grace too: a restart makes one job of them, unless each is wanted."""
    first = int(time.time()) // 2 * 2 - 10
    put(redis, "short", first, missed=missed, **when)
    child = worker_process(EMPTY)
    wait_until(lambda: len(pushed(redis)) >= (8 if missed == "all" else 2), 20)
    lines = history(redis, "short")[::-1]
    ticks = [line["tick"] for line in lines]
    assert ticks == [ticks[0] + 2 * index for index in range(len(ticks))]
    if missed == "all":
        assert ticks[0] == first
        assert [line["how"] for line in lines][:5] == ["missed"] * 5
    else:
        assert ticks[0] >= first + 10
        assert {line["how"] for line in lines} == {"tick"}
        assert all(line["jid"] for line in lines)
    assert child.stop() == 0


def test_every_missed_second_of_a_day_is_no_storm(worker_process: Start, redis: redis_py.Redis) -> None:
    put(redis, "fast", time.time() - 86_400, cron="* * * * * *", missed="all")
    child = worker_process(EMPTY)
    child.wait_for("only the latest are made up for")
    wait_until(lambda: (next_of(redis, "fast") or 0) > time.time(), 20)
    assert 100 <= len(pushed(redis)) <= 130, "a hundred, and those that have come since"
    assert len(history(redis, "fast")) == 100
    assert child.stop() == 0


def test_an_interval_counts_from_the_job(worker_process: Start, redis: redis_py.Redis) -> None:
    put(redis, "gap", time.time() - 1_000, interval=500)
    child = worker_process(EMPTY)
    wait_until(lambda: redis.llen("queue:ruby"), 10)
    [line] = history(redis, "gap")
    assert (next_of(redis, "gap") or 0) == pytest.approx(line["at"] + 500, abs=0.01)
    assert child.stop() == 0


def test_a_pause_lets_ticks_pass_and_survives_a_deploy(worker_process: Start, redis: redis_py.Redis) -> None:
    redis.sadd("fastkiq:cron:paused", "Beat")
    child = worker_process(APP)
    wait_until(lambda: len(history(redis, "Beat")) >= 2, 10)
    assert {(line["how"], line["jid"]) for line in history(redis, "Beat")} == {("paused", None)}
    assert "beat " not in child.output()
    redis.srem("fastkiq:cron:paused", "Beat")
    child.wait_for("beat ")
    assert child.stop() == 0


def test_what_is_not_enabled_does_not_come(worker_process: Start, redis: redis_py.Redis, tmp_path: Any) -> None:
    (tmp_path / "fastkiq.toml").write_text('[schedule.Off]\nevery = 1\nclass = "Plain"\nenabled = false\n')
    put(redis, "off", time.time() - 1, every=60, enabled=False)
    child = worker_process(EMPTY)
    wait_until(lambda: redis.hexists("fastkiq:cron", "Off") and next_of(redis, "off") is None, 10)
    assert next_of(redis, "Off") is None
    assert pushed(redis) == []
    assert child.stop() == 0


def test_what_is_added_at_run_time_comes_as_it_was_said(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    worker_process(EMPTY)
    recurring = api.RecurringSet(api.connect(url=redis_url))
    recurring.add("off", "Ruby", every=1, queue="ruby", enabled=False)
    recurring.add("soon", "Ruby", every=3600, first_in=1, queue="soon")
    recurring.add("sync", "Ruby", interval=1, queue="sync")
    wait_until(lambda: len(pushed(redis, "sync")) >= 2)
    [soon] = pushed(redis, "soon")
    assert soon["cron"]["tick"] + 3_600_000 == (next_of(redis, "soon") or 0) * 1000
    enqueued = [job["enqueued_at"] for job in pushed(redis, "sync")]
    assert all(later - earlier >= 990 for earlier, later in pairwise(enqueued))
    assert pushed(redis) == []
    recurring.add("off", "Ruby", every=1, queue="ruby")
    wait_until(lambda: pushed(redis) != [])
    recurring.add("off", "Ruby", every=1, queue="ruby", enabled=False)
    count = len(pushed(redis))
    synced = len(pushed(redis, "sync"))
    wait_until(lambda: len(pushed(redis, "sync")) >= synced + 2)
    assert len(pushed(redis)) == count


def test_a_lost_redis_gets_its_entries_back(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP)
    child.wait_for("beat ")
    redis.flushall()
    before = child.output().count("beat ")
    child.wait_for(lambda output: output.count("beat ") > before + 1, 30)
    assert child.stop() == 0


def test_what_a_process_says_of_jobs_that_cannot_run_here(
    worker_process: Start, redis: redis_py.Redis, tmp_path: Any
) -> None:
    (tmp_path / "fastkiq.toml").write_text('[schedule.ruby]\nevery = 60\nclass = "RubyJob"\n')
    child = worker_process(QUIET.replace('name="Far"', 'name="Far", queue="far"'))
    text = child.wait_for("ready:")
    assert "the recurring job 'ruby' is for RubyJob, which no loaded module defines" in text
    assert "the recurring job 'Far' goes to the queue 'far', which this process does not serve (-q far)" in text
    assert child.stop() == 0


def test_a_wrong_schedule_keeps_a_process_from_starting(worker_process: Start, tmp_path: Any) -> None:
    (tmp_path / "fastkiq.toml").write_text('[schedule.x]\ncron = "61 * * * *"\n')
    child = worker_process(EMPTY)
    assert child.wait() != 0
    assert "fastkiq.toml: schedule 'x': cron '61 * * * *' is no cron expression" in child.output()


POISON = {
    "garbage": b"nonsense",
    "list": b"[]",
    "binary": b"\xff\x00",
    "huge": b'{"name":"huge","class":"A","args":["' + b"x" * 10_000_000 + b'"],"queue":"q","every":60}',
    "other": b'{"name":"another","class":"A","args":[],"queue":"q","every":60}',
    "deep": b'{"name":"deep","class":"A","args":' + b"[" * 200 + b"]" * 200 + b',"queue":"q","every":60}',
    "odd": b'{"name":"odd","class":"A","args":[],"queue":"q","every":60,"options":{"tags":{}}}',
    "strange": b'{"name":"strange","class":"A","args":[],"queue":"q","moon":"full"}',
}


def test_poisoned_definitions_do_no_harm_and_are_said_once(worker_process: Start, redis: redis_py.Redis) -> None:
    for name, raw in POISON.items():
        redis.hset("fastkiq:cron", name, raw)
    redis.zadd("fastkiq:cron:next", dict.fromkeys((*POISON, "missing", b"\xff\xfe"), 1))
    put(redis, "fine", time.time() - 1, every=60, moon="full")
    child = worker_process(APP)
    wait_until(lambda: pushed(redis), 10)
    child.wait_for(lambda output: output.count("beat ") >= 3)
    said = [line for line in child.output().splitlines() if "in Redis does not run here" in line]
    assert sorted(line.split('recurring job "')[1].split('"')[0] for line in said) == sorted(POISON)
    assert not [name for name in (*POISON, "missing") if name != "strange" and next_of(redis, name) is not None]
    assert all(redis.hget("fastkiq:cron", name) == raw for name, raw in POISON.items()), (
        "it stays for people to look at"
    )
    assert child.stop() == 0


@pytest.mark.parametrize(
    "key",
    ["fastkiq:cron", "fastkiq:cron:next", "fastkiq:cron:paused", "fastkiq:cron:history:Beat", "fastkiq:cron:swept"],
)
def test_keys_of_another_type_keep_no_other_job_waiting(worker_process: Start, redis: redis_py.Redis, key: str) -> None:
    if key.endswith("swept"):
        redis.lpush(key, "x")
    else:
        redis.set(key, "x")
    redis.zadd("schedule", {json.dumps({"class": "Ruby", "args": [], "queue": "ruby", "jid": "a" * 24}): 1})
    child = worker_process(APP)
    wait_until(lambda: pushed(redis), 10)
    if key.split(":")[2:3] in (["history"], ["swept"]):
        child.wait_for("beat ")
    assert child.stop() == 0


def test_a_queue_that_is_none_keeps_no_other_entry_waiting(worker_process: Start, redis: redis_py.Redis) -> None:
    redis.set("queue:ruby", "x")
    put(redis, "stuck", time.time() - 1, every=60)
    child = worker_process(APP)
    child.wait_for(lambda output: output.count("beat ") >= 3)
    late = [float(line.split()[3]) for line in child.output().splitlines() if line.startswith("beat ")]
    assert max(late[1:]) < 1
    redis.delete("queue:ruby")
    wait_until(lambda: len(pushed(redis)) == 1, 10)
    assert child.stop() == 0


def test_without_entries_a_look_costs_one_command_more(
    worker_process: Start, redis: redis_py.Redis, server: Server
) -> None:
    child = worker_process(EMPTY)
    child.wait_for("ready:")
    with server.client() as watcher, watcher.monitor() as monitor:
        time.sleep(0.5)
        until, seen = time.monotonic() + 4, []
        while time.monotonic() < until:
            seen.append(monitor.next_command())
    words = [each["command"].split() for each in seen]
    cron = [each for each in words if any("fastkiq:cron" in word for word in each) and each[0] != "EVALSHA"]
    looks = sum(each[:3] == ["ZRANGEBYSCORE", "schedule", "-inf"] for each in words)
    assert looks >= 2
    assert {tuple(each) for each in cron} == {("ZRANGE", "fastkiq:cron:next", "0", "0", "WITHSCORES")}
    assert len(cron) == looks
    assert child.stop() == 0
