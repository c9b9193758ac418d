"""Executions by class, as they lie in Redis for Sidekiq's metrics, and what a refusal or an outage does to them."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from children import Child
from executions import TEN_MINUTES, histogram, totals
from servers import Server, wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, pathlib, time, fastkiq
    from fastkiq.client import default

    fastkiq.configure(lease=2)  # a beat each third of a second

    class Quick(fastkiq.Worker):
        def perform(self): ...

    class Slow(fastkiq.Worker):
        async def perform(self):
            await asyncio.sleep(0.07)

    class Broken(fastkiq.Worker, retry=1):
        def perform(self):
            raise ValueError("broken")

    class Steered(fastkiq.Worker):
        def perform(self, how):
            raise {"retry": fastkiq.Retry(in_=600), "snooze": fastkiq.Snooze(in_=600), "discard": fastkiq.Discard(),
                   "kill": fastkiq.Kill()}[how]

    class Early(fastkiq.Worker, ack="start"):
        def perform(self, good):
            assert good

    class Wrapper(fastkiq.Worker, name="Wrapper"):
        def perform(self): ...

    class Wait(fastkiq.Worker, retry=False):
        def perform(self):
            default().core.command("RPUSH", "begun", self.jid)
            while not default().core.command("EXISTS", "go"):
                time.sleep(0.01)

    class Until(fastkiq.Worker):
        "Ends without Redis."
        def perform(self, folder):
            default().core.command("RPUSH", "begun", self.jid)
            while not (pathlib.Path(folder) / "go").exists():
                time.sleep(0.01)
            (pathlib.Path(folder) / self.jid).touch()
"""


def payload(**fields: object) -> str:
    return json.dumps({"class": "Wrapper", "args": [], "retry": False, "queue": "default", "jid": "x" * 24, **fields})


@pytest.mark.both_servers
def test_what_each_end_counts_as(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """The last beat comes with the end of the process: what has been settled is in."""
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.Quick", [()] * 300)
    client.push_bulk("app.Slow", [()] * 3)
    client.push_bulk("app.Broken", [()] * 2)
    client.push_bulk("app.Steered", [("retry",), ("snooze",), ("snooze",), ("discard",), ("kill",)])
    client.push_bulk("app.Early", [(True,), (True,), (False,)])
    client.push("app.Unknown")
    for wrapped in ("Inner::Job", "Inner::Job", "a|b", ""):
        redis.lpush("queue:default", payload(wrapped=wrapped))
    redis.lpush("queue:default", "no job at all")
    child = worker_process(APP)
    wait_until(lambda: not redis.exists("queue:default") and not list(redis.scan_iter("fastkiq:flight:*")), 15, "all")
    assert child.stop() == 0
    found = totals(redis)
    times = {name: counts.pop("ms") for name, counts in found.items() if "ms" in counts}
    assert found == {
        "app.Quick": {"p": 300},
        "app.Slow": {"p": 3},
        "app.Broken": {"p": 2, "f": 2},
        "app.Steered": {"p": 5, "f": 3},
        "app.Early": {"p": 3, "f": 1},
        "Inner::Job": {"p": 2},
        "Wrapper": {"p": 1},
    }
    assert times.keys() == found.keys() - {"app.Broken"}, "no time is kept of failures"
    assert 3 * 70 <= times["app.Slow"] < 3 * 10_000
    histograms = {name: histogram(redis, name) for name in found}
    assert {name: sum(counts) for name, counts in histograms.items()} == {
        name: counts["p"] - counts.get("f", 0) for name, counts in found.items()
    }
    assert sum(histograms["app.Slow"][:4]) == 0, "nothing below 65 ms"
    assert histograms["app.Quick"][0] > 250, "below 20 ms"

    ten = totals(redis, TEN_MINUTES)
    assert {name: (counts["p"], counts.get("ms")) for name, counts in ten.items()} == {
        name: (counts["p"], times.get(name)) for name, counts in found.items()
    }


@pytest.mark.both_servers
def test_keys_and_how_long_they_are_kept(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    fastkiq.Client(redis_url).push("app.Quick")
    worker_process(APP)
    wait_until(lambda: totals(redis), 10, "a beat, without any stop")
    now = time.time()
    minutes = [time.gmtime(at) for at in (now, now - 30)]
    kept = {key.decode(): redis.ttl(key) for kind in ("j|*", "h|*") for key in redis.scan_iter(kind)}
    minute, ten, graph = sorted(kept, key=lambda key: (key.startswith("h|"), -len(key)))
    assert minute in {time.strftime(f"j|%y%m%d|{at.tm_hour}:%M", at) for at in minutes}
    assert ten == minute[:-1]
    assert graph in {f"h|app.Quick-{at.tm_mday}-{at.tm_hour}:{at.tm_min}" for at in minutes}
    assert 28_700 < kept[minute] <= 28_800
    assert 259_100 < kept[ten] <= 259_200
    assert 28_700 < kept[graph] <= 28_800
    assert redis.hgetall(minute) == {b"app.Quick|p": b"1", b"app.Quick|ms": redis.hget(ten, "app.Quick|ms")}
    assert redis.strlen(graph) == 2, "one counter of 16 bits"


def test_what_the_stop_ends_has_failed(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """As in `stat:failed`: the deadline passes, and the job goes back to its queue."""
    fastkiq.Client(redis_url).push_bulk("app.Wait", [(), ()])
    child = worker_process(APP, "-t", "0.1")
    wait_until(lambda: redis.llen("begun") == 2, 10, "both to run")
    assert child.stop() == 0
    assert totals(redis) == {"app.Wait": {"p": 2, "f": 2}}
    assert (redis.get("stat:processed"), redis.get("stat:failed")) == (b"2", b"2")
    assert redis.llen("queue:default") == 2
    assert not list(redis.scan_iter("h|*"))


def test_an_idle_process_writes_nothing(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    (identity,) = wait_until(lambda: redis.smembers("processes"), 10, "the first beat")
    first = redis.hget(identity, "beat")
    wait_until(lambda: redis.hget(identity, "beat") != first, 10, "the second")
    assert child.stop() == 0
    assert not [key for kind in ("j|*", "h|*") for key in redis.scan_iter(kind)]


def test_a_full_redis_refuses_and_gets_the_counts_later(
    worker_process: Start, start_server: Callable[..., Server]
) -> None:
    own = start_server()
    with own.client() as redis:
        fastkiq.Client(own.url).push_bulk("app.Quick", [()] * 20)
        redis.config_set("maxmemory", "1mb")
        redis.config_set("maxmemory", str(redis.info("memory")["used_memory"] // 2))
        child = worker_process(APP, env={"FASTKIQ_REDIS_URL": own.url})
        wait_until(lambda: not redis.exists("queue:default"), 15, "the drain, which a full Redis allows")
        wait_until(lambda: refusals(redis, "hincrby") > 0, 15, "a refusal")
        assert totals(redis) == {}
        redis.config_set("maxmemory", "0")
        wait_until(lambda: totals(redis), 15, "the counts")
        assert child.stop() == 0
        assert totals(redis)["app.Quick"]["p"] == sum(histogram(redis, "app.Quick")) == 20


@pytest.mark.parametrize("denied", ["multi", "exec"])
def test_where_transactions_are_denied_nothing_is_counted_twice(
    worker_process: Start, start_server: Callable[..., Server], denied: str
) -> None:
    """Without MULTI each command is one of its own, and the last one fails all the same."""
    own = start_server()
    with own.client() as redis:
        redis.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "&*", "+@all", f"-{denied}")
        child = worker_process(APP, env={"FASTKIQ_REDIS_URL": own.url.replace("://", "://narrow:pw@")})
        child.wait_for("ready")
        fastkiq.Client(own.url).push_bulk("app.Quick", [()] * 20)
        wait_until(lambda: redis.get("stat:processed") == b"20", 10, "the runs")
        wait_until(lambda: denials(redis, denied) > 0, 10, "a beat that would write")
        assert child.stop() == 0
        assert totals(redis) == {} or totals(redis)["app.Quick"]["p"] == 20
        assert "Redis refuses" in child.output()
        assert "(metrics)" in child.output()


def denials(redis: redis_py.Redis, command: str) -> int:
    return sum(int(entry["count"]) for entry in redis.acl_log() if entry["object"] == command)


def refusals(redis: redis_py.Redis, command: str) -> int:
    """How often Redis has turned a command away."""
    return int(redis.info("commandstats").get(f"cmdstat_{command}", {}).get("rejected_calls", 0))


def test_an_outage_delays_counts_and_doubles_none(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Killed with its data on disk: what was written stays as it is, and what ended meanwhile comes."""
    own = start_server("appendonly yes", "appendfsync always")
    client = fastkiq.Client(own.url)
    with own.client() as redis:
        client.push_bulk("app.Quick", [()] * 20)
        child = worker_process(APP, env={"FASTKIQ_REDIS_URL": own.url})
        wait_until(lambda: totals(redis).get("app.Quick", {}).get("p") == 20, 15, "the first counts")
        before = totals(redis)
        (tmp_path / "ended").mkdir()
        client.push_bulk("app.Until", [(str(tmp_path / "ended"),)] * 5)
        wait_until(lambda: redis.llen("begun") == 5, 10, "five to run")
        assert totals(redis) == before
    own.kill()
    (tmp_path / "ended" / "go").touch()
    wait_until(lambda: len(list((tmp_path / "ended").iterdir())) == 6, 10, "the jobs to end")
    own.start()
    with own.client() as redis:
        wait_until(lambda: "app.Until" in totals(redis), 15, "the rest")
        assert child.stop() == 0
        found = totals(redis)
        assert found["app.Quick"] == before["app.Quick"]
        assert found["app.Until"]["p"] == sum(histogram(redis, "app.Until")) == 5


def test_names_that_would_break_the_page_are_not_written(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Each name is anybody's: the number of those held, their length and what is in them are bounded."""
    with redis.pipeline() as pipe:
        for number in range(1_100):
            pipe.lpush("queue:default", payload(wrapped=f"Inner{number}", jid=f"{number:024}"))
        for wrapped in ("a|b", "a\nb", "<script>", "x" * 10_000):
            pipe.lpush("queue:default", payload(wrapped=wrapped))
        pipe.execute()
    child = worker_process(APP.replace("lease=2", "lease=30"))
    wait_until(lambda: int(redis.get("stat:processed") or 0) == 1_104, 15, "all")
    assert child.stop() == 0
    names = totals(redis)
    assert len(names) == 1_000
    assert all(re.fullmatch(r"Inner\d+", name) for name in names)


def test_for_sidekiq_7_they_have_its_keys(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    worker = worker_process(APP.replace("lease=2", 'lease=2, compat="sidekiq7"'))
    worker.wait_for("ready")
    fastkiq.Client(redis_url).push("app.Quick")
    wait_until(lambda: redis.get("stat:processed") == b"1", 10, "the run")
    assert worker.stop() == 0
    keys = {key.decode() for key in redis.scan_iter("*") if b"Quick" in key or key.startswith(b"j|")}
    assert any(re.fullmatch(r"j\|\d{8}\|\d{1,2}:\d{1,2}", key) for key in keys), keys
    assert any(re.fullmatch(r"app\.Quick-\d\d-\d\d:\d{1,2}", key) for key in keys), keys
    assert len(keys) == 2
