"""The parts of `fastkiq bench` one by one: sizes, percentiles, the database, facts, signals."""

import os
import signal
import sysconfig
import time
from collections.abc import Iterator

import pytest
import redis as redis_py

from fastkiq import _core, client
from fastkiq.bench import database, facts, load, meter
from fastkiq.bench.errors import BenchError
from fastkiq.bench.interrupts import interruptible
from fastkiq.bench.jobs import Nothing
from fastkiq.bench.probe import percentile
from fastkiq.bench.queues import QUEUE, queue_names
from fastkiq.bench.server import PrivateServer
from fastkiq.errors import RedisConnectionError
from servers import Server

PID = 4321
IDENTITY = f"host:{PID}:00112233aabb"


@pytest.mark.parametrize("payload", [None, 170, 1_000, 100_000])
def test_a_stored_job_is_as_large_as_was_asked_for(redis_url: str, redis: redis_py.Redis, payload: int | None) -> None:
    before = client.replace_default(client.Client(redis_url))
    try:
        Nothing.perform_async(load.text_for(payload), 7, {"mike": "bob"})
    finally:
        client.replace_default(before)
    assert len(redis.lindex(f"queue:{QUEUE}", 0)) == pytest.approx(payload or 180, abs=8)


def test_a_payload_smaller_than_a_job_is_refused() -> None:
    with pytest.raises(ValueError, match=r"smallest job takes 1\d\d bytes"):
        load.text_for(10)


@pytest.mark.parametrize(("percent", "found"), [(50, 5), (90, 9), (99, 10), (100, 10), (0, 1)])
def test_percentiles_are_values_that_occurred(percent: float, found: float) -> None:
    assert percentile(list(range(1, 11)), percent) == found
    assert percentile([3.0], percent) == 3.0


def test_jobs_are_spread_over_the_queues_and_wait_aside(redis_url: str, redis: redis_py.Redis) -> None:
    queues = queue_names(3)
    core = _core.Client(redis_url)
    before = client.replace_default(client.Client(redis_url))
    try:
        load.in_bulk([Nothing.set(queue=queue) for queue in queues], "x", 11)
    finally:
        client.replace_default(before)
    load.put_aside(core, queues)
    assert [redis.llen(f"queue:{queue}") for queue in queues] == [0, 0, 0]
    load.put_back(core, queues)
    assert [redis.llen(f"queue:{queue}") for queue in queues] == [4, 4, 3]
    load.put_aside(core, queues_without_jobs := queue_names(4)[3:])
    load.put_back(core, queues_without_jobs)


def test_a_database_in_use_is_refused_with_the_number_of_one_that_is_not(server: Server) -> None:
    with server.client(db=3) as third, server.client(db=15) as last:
        third.set("somebody's", 1)
        last.set("somebody's", 1)
        url = f"redis://:@127.0.0.1:{server.port}/3"
        with pytest.raises(BenchError, match=r"database 3 .* holds 1 key; .* /14") as error:
            database.check(_core.Client(url), url, [QUEUE])
        assert "never empties" in str(error.value)
        assert third.keys() == [b"somebody's"]


def test_without_permission_to_look_or_without_a_server_nothing_begins(server: Server) -> None:
    with server.client() as admin:
        admin.acl_setuser(
            "blind", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-scan"]
        )
        url = f"redis://blind:pw@127.0.0.1:{server.port}/0"
        with pytest.raises(BenchError, match="'scan'") as error:
            database.check(_core.Client(url), url, [QUEUE])
        assert "pw" not in str(error.value)
        admin.acl_deluser("blind")
    with pytest.raises(RedisConnectionError):
        database.check(_core.Client("redis://127.0.0.1:1"), "redis://127.0.0.1:1", [QUEUE])


def test_only_what_was_measured_with_is_deleted(redis_url: str, redis: redis_py.Redis) -> None:
    other = "host:77:ffffffffffff"
    for identity in (IDENTITY, other):
        redis.hset(identity, "beat", 1)
        redis.hset(f"fastkiq:process:{identity}", "pid", 1)
        redis.rpush(f"fastkiq:flight:{identity}:{QUEUE}:3", "x")
        redis.rpush(f"{identity}-signals", "TERM")
        redis.sadd("processes", identity)
        redis.zadd("fastkiq:alive", {identity: 1})
        redis.zadd("fastkiq:tombs", {identity: 1})
        redis.hset("fastkiq:machine:m", identity, 1)
    redis.sadd("queues", QUEUE, "other")
    for key in (f"queue:{QUEUE}", database.ASIDE + QUEUE, "queue:other"):
        redis.rpush(key, "{}")
    for key in ("stat:processed", "stat:failed", "stat:processed:2030-01-01", "process_cleanup", f"about:{PID}:them"):
        redis.set(key, 1)
    redis.hset("fastkiq:suspects", "j", "1")
    database.clean(_core.Client(redis_url), [QUEUE], [PID])
    assert sorted(redis.keys()) == sorted(
        key.encode()
        for key in (
            *("queues", "queue:other", "processes", f"about:{PID}:them", other, f"{other}-signals"),
            *("fastkiq:alive", "fastkiq:tombs", "fastkiq:machine:m", f"fastkiq:process:{other}"),
            f"fastkiq:flight:{other}:{QUEUE}:3",
        )
    )
    assert redis.smembers("queues") == {b"other"}
    assert redis.smembers("processes") == {other.encode()}
    assert redis.zrange("fastkiq:alive", 0, -1) == redis.zrange("fastkiq:tombs", 0, -1) == [other.encode()]


@pytest.mark.both_servers
def test_the_meter_counts_commands_and_round_trips(redis_url: str) -> None:
    core = _core.Client(redis_url)
    core.command("PING")
    before = meter.read(core)
    for _ in range(50):
        core.command("PING")
    core.command("EVAL", "for i = 1, 10 do redis.call('INCR', KEYS[1]) end", 1, "k")
    after = meter.read(core)
    assert before is not None
    assert after is not None
    cost = after.since(before, own=1)
    assert (cost.commands, cost.round_trips) == (61, 51)
    assert cost.cpu_seconds >= 0
    assert facts.server(core).split()[0] in ("redis", "valkey")


def test_a_private_server_is_private_and_ends_with_the_block() -> None:
    with PrivateServer() as server:
        core = _core.Client(server.url)
        assert core.command("DBSIZE") == 0
        assert core.command("CONFIG", "GET", "save") == [b"save", b""]
        folder = core.command("CONFIG", "GET", "dir")[1].decode()
    assert not os.path.exists(folder)
    with pytest.raises(RedisConnectionError):
        core.command("PING")


@pytest.mark.parametrize(
    ("arguments", "prefix", "answer"),
    [
        ("'--enable-optimizations' '--with-lto'", "/usr/local", True),
        ("'--prefix=/usr'", "/usr", True),
        ("'--prefix=/opt'", "/opt", False),
        ("", "/opt", None),
        (None, "/opt", None),
    ],
)
def test_whether_the_interpreter_is_optimised(
    monkeypatch: pytest.MonkeyPatch, arguments: str | None, prefix: str, answer: bool | None
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: arguments)
    monkeypatch.setattr("sys.base_prefix", prefix)
    monkeypatch.setattr("sys.platform", "linux")
    assert facts.optimised() is answer
    assert any("--enable-optimizations" in hint for hint in facts.hints()) is (answer is False)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    # The defaults: what was started by nohup ignores SIGHUP, and has its children ignore it.
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def disturbed(by: signal.Signals) -> None:
    with interruptible():
        os.kill(os.getpid(), by)
        time.sleep(5)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_a_second_interrupt_does_not_disturb_what_tidies_up(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    with pytest.raises(raised):
        disturbed(number)
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("usual_signals")
def test_signals_are_as_before_when_nothing_came() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as leave_in_peace:
        leave_in_peace()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
