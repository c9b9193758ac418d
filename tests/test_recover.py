"""`fastkiq recover`: what dead processes hold goes back by hand, in its order; what lives is left alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

from children import Child
from fastkiq import _core
from fastkiq.client import Client
from fastkiq.errors import ArgumentError
from fastkiq.flights import look, scores
from fastkiq.recovery import Recovery
from faults.kit import flights, short_lease
from recovering import BOUNDS, GHOST, Time, ask, busy, contents, core, document, ghost, names, payload
from servers import Server

Start = Callable[..., Child]
Ask = Callable[..., subprocess.CompletedProcess[str]]
__all__ = ["ask", "core"]


@pytest.mark.both_servers
def test_what_a_killed_process_held_goes_back(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, ask: Ask
) -> None:
    busy(worker_process, redis_url, redis).kill()
    before = contents(redis)
    planned = document(ask("--dry-run", "--json"), 1)
    assert contents(redis) == before
    (row,) = planned["processes"]
    assert (row["state"], row["queues"], row["what"]) == ("gone", {"a:1:b": 3}, "would go back at once")
    done = document(ask("--json"), 0)
    assert (done["put_back"], done["stays"]) == (3, 0)
    assert not flights(redis)
    assert redis.llen("queue:a:1:b") == 3
    assert redis.zcard("fastkiq:tombs") == 1
    assert redis.hlen("fastkiq:suspects") == 3
    assert document(ask("--json"), 0)["processes"] == []


def test_a_living_process_is_left_alone_and_can_be_forced(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, ask: Ask, tmp_path: Path
) -> None:
    child = busy(worker_process, redis_url, redis, *short_lease(tmp_path))
    (identity,) = [name.decode() for name in redis.zrange("fastkiq:alive", 0, -1)]
    planned = document(ask("--dry-run", "--json", "--purge"), 1)
    assert [(row["state"], row["what"]) for row in planned["processes"]] == [("alive", "would stay: it lives")]
    assert planned["purge"]["refused"] == f"{identity} lives"
    answer = ask("--json", "--purge")
    left = document(answer, 1)
    assert "waiting for a heartbeat" in answer.stderr
    assert (left["put_back"], left["stays"], left["processes"][0]["what"]) == (0, 3, "stays: it lives")
    assert "still lives" in left["purge"]["refused"]
    assert redis.llen("queue:a:1:b") == 0
    answer = ask("--force", "nobody")
    assert answer.returncode == 2
    assert "no process is called 'nobody' (" in answer.stderr
    assert f"did you mean {identity}?" in ask("--force", identity[:-3]).stderr
    answer = ask("--force", identity)
    assert answer.returncode == 0, answer
    assert "runs a second time" in answer.stderr
    assert redis.llen("queue:a:1:b") == 3
    child.wait_for("was taken for dead")


def test_one_whose_death_cannot_be_proved_is_watched_for_its_lease(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, ask: Ask, tmp_path: Path
) -> None:
    busy(worker_process, redis_url, redis, *short_lease(tmp_path)).kill()
    for key in redis.scan_iter("fastkiq:machine:*"):
        redis.delete(key)
    answer = ask("--json")
    done = document(answer, 0)
    assert [(row["state"], row["put_back"]) for row in done["processes"]] == [("stale", 3)]
    assert "for 2 s at most" in answer.stderr
    assert redis.zcard("fastkiq:alive") == 0


@pytest.mark.both_servers
def test_orphans_without_registries_keep_their_order_at_the_front(redis: redis_py.Redis, ask: Ask) -> None:
    redis.lpush("queue:default", payload("z"))
    ghost(redis, number=2, jobs="dc")
    ghost(redis, number=10, jobs="fe")
    ghost(redis, number=1, jobs="ba")
    ghost(redis, "odd:host:5:abcdefabcdef", "x:7:0123456789ab:y", 3, "k")
    done = document(ask("--json"), 0)
    assert [(row["process"], row["state"], row["queues"]) for row in done["processes"]] == [
        (GHOST, "dead", {"default": 6}),
        ("odd:host:5:abcdefabcdef", "dead", {"x:7:0123456789ab:y": 1}),
    ]
    assert names(redis) == "abcdefz"
    assert names(redis, "x:7:0123456789ab:y") == "k"
    assert redis.smembers("queues") == {b"default", b"x:7:0123456789ab:y"}
    assert sorted(redis.zrange("fastkiq:tombs", 0, -1)) == [GHOST.encode(), b"odd:host:5:abcdefabcdef"]
    assert redis.hget(f"fastkiq:process:{GHOST}", "queues") == b"default"


def test_a_known_name_is_the_better_anchor(redis: redis_py.Redis, core: _core.Client) -> None:
    long = f"{GHOST}:2:ba9876543210"  # a host may be called anything
    redis.zadd("fastkiq:tombs", {long: 1})
    ghost(redis, long, "q", 1)
    assert [(holder.identity, holder.queues) for holder in look(core).holding] == [(long, {"q": 2})]


def test_what_is_no_flight_is_named_and_stays(redis: redis_py.Redis, ask: Ask) -> None:
    redis.set(f"fastkiq:flight:{GHOST}:default:1", "text")
    redis.rpush("fastkiq:flight:\x1b[2J", "x")
    redis.rpush(b"fastkiq:flight:\xff", "x")
    redis.rpush(f"fastkiq:flight:{GHOST}:default:07", "x")
    ghost(redis, number=2)
    before = {
        key: value for key, value in contents(redis).items() if b"fastkiq:flight:" in key and not key.endswith(b":2")
    }
    answer = ask()
    assert answer.returncode == 1, answer
    assert "\x1b" not in answer.stderr
    assert answer.stderr.count("looks like a flight and is none") == 4
    assert names(redis) == "ba"
    after = contents(redis)
    assert {key: after[key] for key in before} == before
    assert ask("--purge").returncode == 1
    assert redis.exists("fastkiq:tombs")


def test_a_queue_of_a_wrong_type_does_not_keep_the_others(redis: redis_py.Redis, ask: Ask) -> None:
    redis.set("dead", "no set")
    redis.set("queue:broken", "no list")
    ghost(redis, number=9, queue="broken")
    redis.set("fastkiq:suspects", "no hash")
    planned = ask("--dry-run")
    assert "would go back at once" in planned.stdout
    assert "cannot be told: WRONGTYPE" in planned.stderr
    redis.delete("fastkiq:suspects")
    ghost(redis, number=1)
    done = document(ask("--json"), 1)
    (row,) = done["processes"]
    assert (row["put_back"], row["stays"]) == (2, 2)
    assert "WRONGTYPE" in row["refusal"]
    assert names(redis) == "ba"


def test_a_killer_goes_to_the_dead_set(redis: redis_py.Redis, ask: Ask) -> None:
    now = redis.time()[0]
    redis.hset("fastkiq:suspects", "a" * 24, f"2:1:{now - 60}")
    redis.hset("fastkiq:suspects", "b" * 24, f"2:0:{now - 60}")
    ghost(redis)
    before = contents(redis)
    (row,) = document(ask("--dry-run", "--json"), 1)["processes"]
    assert row["what"] == "would go back at once; 1 to the dead set"
    assert row["dead"] == [{"class": "X", "jid": "a" * 24}]
    assert contents(redis) == before
    answer = ask()
    assert answer.returncode == 0
    assert f"X {'a' * 24} went to the dead set" in answer.stderr
    assert "1 put back, 1 to the dead set" in answer.stdout
    assert names(redis) == "b"
    assert b"PoisonPill" in redis.zrange("dead", 0, -1)[0]


def test_the_registry_is_asked_in_pages(redis: redis_py.Redis, core: _core.Client) -> None:
    everybody = {f"h:{number}:0123456789ab": number + 0.1 for number in range(2_500)}
    redis.zadd("fastkiq:alive", everybody)
    found = scores(core, [*everybody, GHOST + "x"])
    assert found.pop(GHOST + "x") is None
    assert {name: float(score or 0) for name, score in found.items()} == everybody
    assert sum(holder.score is not None for holder in look(core).holders.values()) == 2_500


def test_an_outage_is_nobodys_death(redis: redis_py.Redis, core: _core.Client) -> None:
    redis.zadd("fastkiq:alive", {GHOST: 5})
    redis.hset(f"fastkiq:process:{GHOST}", "lease", 2_000_000)
    ghost(redis)
    time = Time()

    def pause(seconds: float) -> None:
        time.pause(seconds)
        if len(time.waits) == 4:
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    said: list[str] = []
    accounts = Recovery(core, BOUNDS, said.append, time, pause).run(look(core))
    assert [(account.state, account.moved) for account in accounts] == [("stale", 2)]
    assert 2.0 + 4 * 0.25 <= time.now <= 2.0 + 6 * 0.25
    assert names(redis) == "ba"


@pytest.mark.both_servers
def test_a_restart_is_nobodys_death(start_server: Callable[..., Server]) -> None:
    own = start_server("appendonly yes", "appendfsync always")
    with own.client() as redis:
        redis.zadd("fastkiq:alive", {GHOST: 5})
        redis.hset(f"fastkiq:process:{GHOST}", "lease", 2_000_000)
        ghost(redis)
    core = Client(own.url).core
    time = Time()
    said: list[str] = []

    def pause(seconds: float) -> None:
        time.pause(seconds)
        if len(time.waits) == 4:
            own.kill()
        elif len(time.waits) == 7:
            own.start()

    accounts = Recovery(core, BOUNDS, said.append, time, pause).run(look(core))
    assert [(account.state, account.moved) for account in accounts] == [("stale", 2)]
    assert "begins anew" in said[1]
    assert time.now >= 2.0 + 7 * 0.25
    with own.client() as redis:
        assert names(redis) == "ba"


def test_a_full_redis_gives_back_what_it_can(start_server: Callable[..., Server]) -> None:
    own = start_server("maxmemory-policy noeviction")
    with own.client() as redis:
        ghost(redis)
        redis.config_set("maxmemory", 1)
        core = Client(own.url).core
        (account,) = Recovery(core, BOUNDS, lambda text: None).run(look(core))
        assert (account.moved, account.stays) == (2, 0)
        assert "OOM" in (account.refusal or "")
        assert names(redis) == "ba"
        assert not redis.exists("fastkiq:tombs")


def test_only_what_it_knows_may_be_asked_for(core: _core.Client) -> None:
    with pytest.raises(ArgumentError, match="look, rescue or force"):
        core.recover(GHOST, "eat", None, [], BOUNDS)  # type: ignore[arg-type]


def test_one_that_beats_while_it_is_watched_lives(redis: redis_py.Redis, core: _core.Client) -> None:
    redis.zadd("fastkiq:alive", {GHOST: 5})
    ghost(redis)
    time = Time()

    def pause(seconds: float) -> None:
        time.pause(seconds)
        if len(time.waits) == 20:
            redis.zadd("fastkiq:alive", {GHOST: 6})

    accounts = Recovery(core, BOUNDS, lambda text: None, time, pause).run(look(core))
    assert [(account.state, account.stays) for account in accounts] == [("alive", 2)]
    assert names(redis) == ""


@pytest.mark.parametrize("options", [(), ("--force", GHOST), ("--dry-run",), ("--purge",)])
def test_what_a_newer_version_wrote_is_left_to_it(redis: redis_py.Redis, ask: Ask, options: tuple[str, ...]) -> None:
    ghost(redis, GHOST, {"default:1": [0, 1]})
    redis.hset(f"fastkiq:process:{GHOST}", "schema", "99")
    before = contents(redis)
    answer = ask(*options)
    assert answer.returncode == 1
    assert "newer" in answer.stdout
    assert contents(redis) == before
