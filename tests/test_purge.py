"""`fastkiq recover --purge`: removes what is fastkiq's, when nobody needs it, and nothing else."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py

from children import Child
from fastkiq import _core
from fastkiq.flights import scan
from fastkiq.recovery import Recovery
from recovering import BOUNDS, GHOST, Time, ask, busy, contents, core, document, ghost, names

Start = Callable[..., Child]
Ask = Callable[..., subprocess.CompletedProcess[str]]
__all__ = ["ask", "core"]
NEWCOMER = "h:2:0123456789ab"


@pytest.mark.both_servers
def test_purge_removes_what_is_fastkiqs_and_nothing_else(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, ask: Ask
) -> None:
    busy(worker_process, redis_url, redis).kill()
    redis.set("fastkiqs", "another's")
    redis.hset(f"fastkiq:stacks:{GHOST}", "at", 1)
    redis.hset("fastkiq:result:abc", "status", "done")
    planned = document(ask("--json", "--dry-run", "--purge"), 1)
    assert planned["purge"]["refused"] is None, "it is gone"
    assert document(ask("--json"), 0)["put_back"] == 3
    (identity,) = redis.zrange("fastkiq:tombs", 0, -1)
    redis.zadd("fastkiq:tombs", {identity: redis.time()[0] - 10})
    others = {key: value for key, value in contents(redis).items() if not key.startswith(b"fastkiq:")}
    done = document(ask("--json", "--purge"), 0)
    assert done["purge"]["refused"] is None
    assert done["purge"]["keys"] > 0
    assert contents(redis) == others
    assert document(ask("--json", "--purge"), 0)["purge"] == {"keys": 0, "refused": None, "left": []}


def test_purge_waits_for_what_may_still_land(redis: redis_py.Redis, core: _core.Client) -> None:
    redis.zadd("fastkiq:tombs", {GHOST: redis.time()[0]})
    redis.hset(f"fastkiq:process:{GHOST}", "queues", "default")
    time = Time()

    def land(seconds: float) -> None:
        time.pause(seconds)
        ghost(redis, number=0)

    said: list[str] = []
    assert Recovery(core, BOUNDS, said.append, time, land).purge() == (3, None, [])  # tombs, record, marks
    assert 4 < time.waits[0] <= 6
    assert "a moment ago" in said[0]
    assert names(redis) == "ba"
    assert [*redis.scan_iter("fastkiq:*")] == []


def test_who_joins_while_it_purges_loses_nothing(
    redis: redis_py.Redis, core: _core.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.zadd("fastkiq:tombs", {GHOST: 5})
    redis.hset("fastkiq:machine:m", GHOST, "1 1")
    theirs: dict[bytes, bytes] = {}

    def join_first(core: _core.Client, pattern: str) -> Iterator[list[bytes]]:
        if pattern != "fastkiq:*":
            return scan(core, pattern)
        redis.zadd("fastkiq:alive", {NEWCOMER: 5})
        redis.hset(f"fastkiq:process:{NEWCOMER}", "queues", "default")
        redis.hset("fastkiq:machine:n", NEWCOMER, "2 2")
        redis.sadd(f"fastkiq:flights:{NEWCOMER}", "default:1")
        ghost(redis, NEWCOMER)
        theirs.update(contents(redis))
        return scan(core, pattern)

    monkeypatch.setattr("fastkiq.recovery.scan", join_first)
    removed, refusal, _ = Recovery(core, BOUNDS, lambda text: None).purge()
    assert removed == 0
    assert refusal is not None
    assert "started meanwhile" in refusal
    assert contents(redis) == theirs


def test_who_joins_after_the_last_look_loses_nothing(redis: redis_py.Redis, core: _core.Client) -> None:
    redis.zadd("fastkiq:tombs", {GHOST: 5})
    redis.hset("fastkiq:suspects", "a" * 24, "1:0:5")
    theirs: dict[bytes, bytes] = {}

    class Joined:
        """A core before whose removal a process joins."""

        def command(self, *words: Any) -> Any:
            if words[0] == "EVAL":
                redis.zadd("fastkiq:alive", {NEWCOMER: 5})
                redis.hset("fastkiq:machine:m", NEWCOMER, "2 2")
                theirs.update(contents(redis))
            return core.command(*words)

    removed, refusal, _ = Recovery(Joined(), BOUNDS, lambda text: None).purge()  # type: ignore[arg-type]
    assert (removed, refusal) == (0, "a process has started meanwhile: run it again when none runs")
    assert contents(redis) == theirs


def test_purge_leaves_what_it_does_not_know_and_names_it(redis: redis_py.Redis, ask: Ask) -> None:
    redis.set("fastkiq:new\x1b", "x")
    redis.hset("fastkiq:suspects", "a" * 24, "1:0:5")
    assert "after that --purge would remove fastkiq's own keys, 1 now" in ask("--purge", "--dry-run").stderr
    answer = ask("--purge")
    assert answer.returncode == 0
    assert "1 key of fastkiq's own removed" in answer.stderr
    assert "fastkiq:new\\x1b is no key that this version knows: it stays" in answer.stderr
    assert [*redis.scan_iter("fastkiq:*")] == [b"fastkiq:new\x1b"]


@pytest.mark.parametrize("alive", [True, False])
def test_purge_is_not_for_what_a_newer_version_keeps(redis: redis_py.Redis, ask: Ask, alive: bool) -> None:
    redis.hset(f"fastkiq:process:{GHOST}", "schema", "99")
    if alive:
        redis.zadd("fastkiq:alive", {GHOST: redis.time()[0]})
    before = contents(redis)
    refused = document(ask("--json", "--purge", "--dry-run"), 1)["purge"]["refused"]
    assert refused == (f"{GHOST} lives" if alive else f"{GHOST} is of a newer version of fastkiq: purge with that")
    assert document(ask("--json", "--purge"), 1)["purge"]["keys"] == 0
    assert contents(redis) == before
