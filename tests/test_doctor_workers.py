"""`fastkiq doctor` about processes: who lives, who is dead, and who is only not known to live."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from children import Child
from examined import GHOST, NEIGHBOUR, found, process
from fastkiq import _core
from fastkiq.client import Client
from fastkiq.doctor import workers
from fastkiq.doctor.facts import Facts
from fastkiq.flights import knows
from faults.kit import APP, short_lease
from servers import wait_until

Start = Callable[..., Child]


@pytest.mark.both_servers
def test_a_real_worker_is_recognised_and_missed(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    Client(redis_url).push("app.Work", 60)
    Client(redis_url).push("app.Work", 60, in_=600)
    alone = found(redis_url)
    assert (alone["processes"].level, alone["queues"].level) == ("info", "critical")
    assert alone["scheduled-queues"].level == "warning"
    child = worker_process(APP, *short_lease(tmp_path))
    wait_until(lambda: redis.llen("ledger:begun") == 1, 10, "the job")
    served = found(redis_url)
    about_work = ["processes", "versions", "leases", "worker-clocks", "stale", "orphans", "queues", "scheduled-queues"]
    assert {check: served[check].level for check in about_work} == dict.fromkeys(about_work, "ok")
    assert "lease of 2 s" in served["leases"].found
    child.kill()
    missed = found(redis_url)
    assert (missed["stale"].level, missed["orphans"].level) == ("warning", "critical")
    assert missed["orphans"].do == "fastkiq recover"


def test_orphans_are_graver_when_nobody_will_find_them(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, NEIGHBOUR)
    redis.rpush(f"fastkiq:flight:{GHOST}:default:1", "a", "b")
    redis.zadd("fastkiq:tombs", {GHOST: redis.time()[0]})
    buried = found(redis_url)
    assert (buried["orphans"].level, buried["stale"].level) == ("warning", "ok")
    assert "2 jobs in flight of 1 dead process" in buried["orphans"].found
    redis.delete("fastkiq:tombs")
    assert found(redis_url)["orphans"].level == "critical"
    assert "registry is lost" in found(redis_url)["orphans"].found
    redis.delete(f"fastkiq:flight:{GHOST}:default:1")
    redis.set("fastkiq:flight:x", "y")
    odd = found(redis_url)
    assert (odd["orphans"].level, odd["flights"].level) == ("ok", "warning")
    redis.zadd("fastkiq:alive", {NEIGHBOUR: redis.time()[0] - 40})
    assert found(redis_url)["stale"].level == "warning"


def test_processes_that_differ(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, NEIGHBOUR)
    assert {found(redis_url)[check].level for check in ("versions", "leases", "worker-clocks")} == {"ok"}
    process(redis, GHOST, version="fastkiq 0.0.9", beat=redis.time()[0] + 30)
    redis.hset(f"fastkiq:process:{GHOST}", "lease", "5000000")
    differ = found(redis_url)
    assert (differ["versions"].level, differ["leases"].level) == ("info", "info")
    assert "from 5 to 30 s" in differ["leases"].found
    assert differ["worker-clocks"].level == "warning"
    assert re.search(rf"{GHOST} is (29|30)\.\d s ahead", differ["worker-clocks"].found)
    redis.hset(f"fastkiq:process:{GHOST}", "schema", "2")
    assert found(redis_url)["versions"].level == "warning"
    redis.srem("processes", NEIGHBOUR)
    redis.hset(f"fastkiq:process:{GHOST}", "schema", "1")
    assert "this is fastkiq" in found(redis_url)["versions"].found


def test_schemas_are_compared_as_the_core_does(redis: redis_py.Redis, redis_url: str) -> None:
    assert knows(_core.schema)
    assert knows("0")
    assert not any(map(knows, ["2", "10", "", "1.5", "-1", "one", "99999999999", "\u00b2"]))
    process(redis, NEIGHBOUR)
    redis.hset(f"fastkiq:process:{NEIGHBOUR}", "schema", "0")
    assert found(redis_url)["versions"].level == "ok", "what an older one keeps can be read"


def test_a_newer_process_that_lives_is_not_called_dead(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, NEIGHBOUR)
    redis.hset(f"fastkiq:process:{NEIGHBOUR}", "schema", "99")
    redis.rpush(f"fastkiq:flight:{NEIGHBOUR}:default:1", "x")
    rolling = found(redis_url)
    assert (rolling["stale"].level, rolling["orphans"].level) == ("ok", "ok")
    assert rolling["versions"].level == "warning"


class Late:
    """A core for which everybody has joined after it had read the registry."""

    def __init__(self, core: _core.Client) -> None:
        self._core = core
        self.recover = core.recover

    def command(self, *words: Any) -> Any:
        return [b"0", []] if words[:2] == ("ZSCAN", "fastkiq:alive") else self._core.command(*words)


def test_one_that_has_joined_during_the_look_is_not_called_dead(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, NEIGHBOUR)
    redis.rpush(f"fastkiq:flight:{NEIGHBOUR}:default:1", "x")
    facts = Facts(Late(Client(redis_url).core))  # type: ignore[arg-type]
    findings = {finding.check: finding.level for finding in workers.check(facts, workers.read(facts))}
    assert (findings["stale"], findings["orphans"]) == ("ok", "ok")
    redis.delete("fastkiq:alive")
    findings = {finding.check: finding.level for finding in workers.check(facts, workers.read(facts))}
    assert findings["orphans"] == "critical"


def test_an_incomplete_look_is_no_verdict(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.rpush(f"fastkiq:flight:{GHOST}:default:1", "x")
    complete = workers.look

    def look(core: _core.Client, budget: float) -> Any:
        survey = complete(core, budget)
        survey.complete = False
        return survey

    monkeypatch.setattr(workers, "look", look)
    part = found(redis_url)["orphans"]
    assert (part.level, part.do) == ("unknown", "fastkiq recover --dry-run takes the time to look at all")
    assert "1 job in flight of 1 dead process (looked for 4 s, not at all keys)" in part.found
    redis.delete(f"fastkiq:flight:{GHOST}:default:1")
    assert found(redis_url)["orphans"].level == "unknown"


def test_the_clock_goes_on_while_processes_are_read(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(redis, GHOST)
    process(redis, NEIGHBOUR)
    seen: list[float] = []

    def slow(facts: Facts, name: bytes, now: float) -> None:
        seen.append(now)
        time.sleep(0.05)

    monkeypatch.setattr(workers, "_worker", slow)
    workers.read(Facts(Client(redis_url).core))
    assert seen[1] - seen[0] >= 0.05


def test_proofs_of_death_have_their_time(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(workers, "_has_gone", lambda facts, identity: asked.append(identity))
    facts = Facts(Client(redis_url).core)
    workers._gone(facts, [GHOST, NEIGHBOUR])
    assert asked == [GHOST, NEIGHBOUR]
    monkeypatch.setattr(workers, "_BUDGET", -1.0)
    workers._gone(facts, [GHOST, NEIGHBOUR])
    assert len(asked) == 2
