"""`fastkiq doctor`: each check seen failing and passing, on real servers where one can be made to fail."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

import embedded_kit
from examined import GHOST, NEIGHBOUR, found, process
from fastkiq import _core
from fastkiq.doctor import network, queues, server, workers
from fastkiq.doctor.facts import Facts
from fastkiq.doctor.finding import Finding, worst
from fastkiq.errors import RedisReplyError
from servers import Server, wait_until

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(call: Ask) -> Ask:
    """`fastkiq doctor` of the Redis at a URL."""
    return lambda url, *arguments: call("doctor", *arguments, FASTKIQ_REDIS_URL=url)


class Told:
    """A core to which Redis has told this and refuses all else."""

    def __init__(self, info: dict[str, str], settings: dict[str, str]) -> None:
        self.info, self.settings = info, settings

    def command(self, *words: Any) -> Any:
        match words:
            case ("PING",):
                return "PONG"
            case ("INFO",):
                return "".join(f"{name}:{value}\r\n" for name, value in self.info.items()).encode()
            case ("CONFIG", "GET", name) if name in self.settings:
                return [name.encode(), self.settings[name].encode()]
        raise RedisReplyError("ERR unknown command")


FINE = {
    "redis_version": "7.2.4",
    "redis_mode": "standalone",
    "role": "master",
    "connected_slaves": "0",
    "maxmemory": "0",
    "maxmemory_policy": "noeviction",
    "total_system_memory": "8000000000",
    "used_memory": "1000000",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "connected_clients": "3",
    "maxclients": "10000",
}
SET = {
    "save": "3600 1",
    "appendfsync": "everysec",
    "timeout": "0",
    "min-replicas-to-write": "0",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
}
SLAVE = "ip=10.0.0.2,port=6379,state=online,offset=1,lag="


def judged(info: dict[str, str], settings: dict[str, str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in server.check(Facts(Told(info, settings)))}  # type: ignore[arg-type]


def test_a_server_that_is_fine() -> None:
    assert {finding.level for finding in judged(FINE, SET).values()} == {"ok"}
    assert not any(finding.do for finding in judged(FINE, {**SET, "appendfsync": "always"}).values())


@pytest.mark.parametrize(
    ("check", "level", "info", "settings"),
    [
        ("version", "critical", {"redis_version": "6.0.16"}, {}),
        ("cluster", "critical", {"redis_mode": "cluster"}, {}),
        ("cluster", "critical", {"cluster_enabled": "1"}, {}),
        ("role", "critical", {"role": "slave", "master_host": "10.0.0.1"}, {}),
        ("eviction", "critical", {"maxmemory_policy": "allkeys-lru", "maxmemory": "1000000000"}, {}),
        ("eviction", "warning", {"maxmemory_policy": "allkeys-lru"}, {}),
        ("eviction", "warning", {"maxmemory_policy": "volatile-lru", "maxmemory": "1000000000"}, {}),
        ("persistence", "critical", {"aof_enabled": "0"}, {"save": ""}),
        ("persistence", "warning", {"aof_enabled": "0"}, {}),
        ("persistence", "warning", {}, {"appendfsync": "no"}),
        ("disk", "critical", {"aof_last_write_status": "err"}, {}),
        ("disk", "critical", {"rdb_last_bgsave_status": "err"}, {}),
        ("memory", "warning", {"maxmemory": "1200000"}, {}),
        ("memory", "critical", {"maxmemory": "1010000"}, {}),
        ("memory", "critical", {"used_memory": "7900000000"}, {}),
        ("replicas", "critical", {}, {"min-replicas-to-write": "1"}),
        ("replicas", "warning", {"connected_slaves": "1", "slave0": f"{SLAVE}60"}, {"min-replicas-to-write": "1"}),
        ("replicas", "info", {"connected_slaves": "1", "slave0": f"{SLAVE}0"}, {}),
        ("replicas", "ok", {"connected_slaves": "1", "slave0": f"{SLAVE}0"}, {"min-replicas-to-write": "1"}),
        ("clients", "warning", {"connected_clients": "8500"}, {}),
        ("clients", "critical", {"connected_clients": "9900"}, {}),
        ("timeout", "warning", {}, {"timeout": "20"}),
        ("timeout", "info", {}, {"timeout": "300"}),
        ("output-buffer", "warning", {}, {"client-output-buffer-limit": "normal 0 1048576 60"}),
    ],
)
def test_a_server_that_is_not(check: str, level: str, info: dict[str, str], settings: dict[str, str]) -> None:
    findings = judged({**FINE, **info}, {**SET, **settings})
    assert findings.pop(check).level == level
    assert {finding.level for finding in findings.values()} <= {"ok", "info"}, "and nothing else is blamed for it"


def test_the_embedded_server_is_fine(call: Ask, tmp_path: Path) -> None:
    try:
        answer = call("doctor", FASTKIQ_REDIS_URL="embedded")
    finally:
        embedded_kit.end(tmp_path / ".fastkiq")
    assert answer.returncode == 0, "its supervisor syncs it, and nobody could set its appendfsync"
    assert "warning" not in answer.stdout


@pytest.mark.parametrize("info", [{}, dict.fromkeys(FINE, "odd\x1b[1m"), dict.fromkeys(FINE, "")])
def test_what_is_hidden_or_odd_is_no_failure(info: dict[str, str]) -> None:
    findings = judged(info, {})
    assert len(findings) == 11
    if not info:
        assert {finding.level for finding in findings.values()} == {"unknown"}
        assert all(finding.do for finding in findings.values())


def test_replicas_that_pushes_wait_for() -> None:
    def asked(count: int, connected: int) -> Finding:
        info = {**FINE, "connected_slaves": str(connected), "slave0": f"{SLAVE}0"}
        facts = Facts(Told(info, SET), count, 2.5)  # type: ignore[arg-type]
        return server.replicas(facts)

    missing = asked(1, 0)
    assert missing.level == "critical"
    assert missing.found == (
        "wait_replicas is 1 and 0 replicas are connected: each enqueue call waits 2.5 s and raises PushUncertain"
    )
    assert asked(2, 1).level == "critical"
    assert asked(1, 1).level == "ok", "no advice as if nothing were set"
    assert asked(0, 1).level == "info"


def test_the_way_to_redis() -> None:
    assert network.round_trip(0.0002).level == "ok"
    assert network.round_trip(0.08).level == "warning"
    assert network.clock_skew(0.3).level == "ok"
    assert "behind" in network.clock_skew(-5).found
    assert network.clock_skew(5).level == "warning"
    assert network.clock_skew(None).level == "unknown"
    for url, level in (
        ("redis://127.0.0.1", "ok"),
        ("redis://localhost", "ok"),
        ("unix:///tmp/x.sock", "ok"),
        ("rediss://10.0.0.9", "ok"),
        ("redis://:secret@10.0.0.9", "info"),
        ("redis+sentinel://10.0.0.9:26379/main", "info"),
    ):
        assert network.encryption(_core.parse_url(url)).level == level, url


@pytest.mark.both_servers
def test_a_server_of_its_own_fine_and_not(start_server: Callable[..., Server], ask: Ask) -> None:
    fine = start_server("appendonly yes")
    answer = ask(fine.url)
    assert answer.returncode == 0, answer
    assert not re.search("warning|critical|unknown", answer.stdout)
    ok = answer.stdout.splitlines()[-2]
    assert re.match(r"ok +\d\d checks ok +version, cluster, role", ok)
    assert len(answer.stdout.splitlines()) <= 5, "head, that line, the sum, and what is only worth knowing"
    assert ask(fine.url, "--quiet").stdout == ""
    with fine.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("timeout", 30)
        client.config_set("client-output-buffer-limit", "normal 1048576 0 0")
        client.config_set("appendfsync", "no")
        wrong = {check for check, finding in found(fine.url).items() if finding.level not in ("ok", "info")}
        assert wrong == {"eviction", "timeout", "output-buffer", "persistence"}
        assert ask(fine.url).returncode == 1
        client.config_set("maxmemory", 10**9)
        assert found(fine.url)["eviction"].level == "critical"
        answer = ask(fine.url, "--quiet")
        assert answer.returncode == 3
        assert len(answer.stdout.splitlines()) == 4
        document = json.loads(ask(fine.url, "--json", "--quiet").stdout)
        assert (document["level"], document["exit_code"]) == ("critical", 3)
        assert {each["check"] for each in document["findings"]} == wrong


def test_a_master_and_its_replica(start_server: Callable[..., Server]) -> None:
    master = start_server("min-replicas-to-write 1")
    assert found(master.url)["replicas"].level == "critical"
    replica = start_server(f"replicaof 127.0.0.1 {master.port}", "repl-diskless-sync-delay 0")
    with master.client() as client:
        wait_until(lambda: client.info("replication").get("min_slaves_good_slaves") == 1, 10, "the replica")
    assert found(master.url)["replicas"].level == "ok"
    assert found(replica.url)["role"].level == "critical"


def test_a_cluster(start_server: Callable[..., Server]) -> None:
    assert found(start_server("cluster-enabled yes").url)["cluster"].level == "critical"


@pytest.mark.both_servers
def test_who_may_ask_nothing_is_told_so(redis: redis_py.Redis, server: Server, ask: Ask) -> None:
    redis.acl_setuser("blind", enabled=True, passwords=["+hunter2"], keys=["nothing:*"], commands=["+ping", "+select"])
    try:
        answer = ask(f"redis://blind:hunter2@127.0.0.1:{server.port}")
        assert answer.returncode == 0, answer
        assert "hunter2" not in answer.stdout + answer.stderr
        hidden = {line.split()[1] for line in answer.stdout.splitlines() if line.startswith("unknown")}
        assert {"eviction", "clock", "processes", "orphans", "queues", "paused", "overdue", "types"} <= hidden
        assert {"scheduled-queues", "suspects"} <= hidden
        answer = ask(f"redis://blind:wrong@127.0.0.1:{server.port}", "--json")
        assert answer.returncode == 4
        document = json.loads(answer.stdout)
        assert (document["level"], document["findings"]) == ("unreachable", [])
        assert "user:password" in document["do"]
        answer = ask(f"redis://:unasked@127.0.0.1:{server.port}", "--json")
        assert json.loads(answer.stdout)["do"] == "this Redis has no password: leave it out of the URL"
    finally:
        redis.acl_deluser("blind")


def test_a_server_that_is_not_there(ask: Ask) -> None:
    answer = ask("redis://:hunter2@127.0.0.1:1/0")
    assert answer.returncode == 4
    assert answer.stdout == ""
    assert "hunter2" not in answer.stderr
    assert "is Redis running?" in answer.stderr
    assert "speak TLS?" in ask("rediss://127.0.0.1:1/0").stderr
    assert ask("gopher://x").returncode == 2


def test_queues_that_nobody_serves(redis: redis_py.Redis, redis_url: str) -> None:
    redis.sadd("queues", "mail", "low", "empty")
    redis.lpush("queue:mail", "x")
    redis.lpush("queue:low", "x", "y")
    process(redis, NEIGHBOUR, ["mail"])
    lonely = found(redis_url)["queues"]
    assert (lonely.level, lonely.do) == ("critical", "start a process for them: fastkiq process MODULE -q low")
    assert "low (2)" in lonely.found
    assert "mail" not in lonely.found
    process(redis, GHOST, ["low"], ours=False, version="8.1.7")  # a Sidekiq
    assert found(redis_url)["queues"].level == "ok"
    redis.hset(GHOST, "quiet", "true")
    assert found(redis_url)["queues"].level == "warning"
    redis.sadd("paused", "mail")
    assert "mail (1)" in found(redis_url)["paused"].found
    redis.sadd("paused", "empty")
    redis.srem("paused", "mail")
    assert found(redis_url)["paused"].level == "ok"


def test_jobs_past_their_time_and_for_nobody(redis: redis_py.Redis, redis_url: str) -> None:
    now = redis.time()[0]
    process(redis, NEIGHBOUR, ["mail"])
    redis.zadd("schedule", {json.dumps({"queue": "mail"}): now - 5})
    assert {found(redis_url)[check].level for check in ("overdue", "scheduled-queues")} == {"ok"}
    redis.zadd("retry", {json.dumps({"queue": "low"}): now - 100, b"\xff": now - 90})
    late = found(redis_url)
    assert late["overdue"].level == "critical"
    assert re.search(r"2 jobs in retry past their time, by up to 10\d s", late["overdue"].found)
    redis.zadd("schedule", {"{}": now - 300_000})
    assert "by up to 3 days: nobody" in found(redis_url)["overdue"].found
    redis.zadd("schedule", {"{}": 0})
    assert re.search(r"by up to \d\d years: nobody", found(redis_url)["overdue"].found)
    assert late["scheduled-queues"].level == "warning"
    assert "low (1)" in late["scheduled-queues"].found


def test_jobs_whose_class_nobody_knew(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, NEIGHBOUR, ["mail"])
    later = redis.time()[0] + 60
    waiting = {"queue": "mail", "class": "Mails::Welcome", "args": [], "error_class": "fastkiq.UnknownWorker"}
    redis.zadd("retry", {json.dumps({**waiting, "error_class": "ValueError"}): later})
    assert found(redis_url)["classes"].level == "ok"
    redis.zadd("retry", {json.dumps({**waiting, "jid": jid}): later for jid in "ab"})
    assert found(redis_url)["classes"].level == "warning"
    assert "Mails::Welcome (2)" in found(redis_url)["classes"].found


def test_suspects(redis: redis_py.Redis, redis_url: str) -> None:
    assert found(redis_url)["suspects"].level == "ok"
    redis.hset("fastkiq:suspects", "a" * 24, "1:0:1795000000")
    assert found(redis_url)["suspects"].level == "info"
    redis.hset("fastkiq:suspects", "b" * 24, "2:1:1795000000")
    assert found(redis_url)["suspects"].level == "warning"


@pytest.mark.parametrize("key", [name for names in queues._TYPES.values() for name in names])
def test_keys_of_a_wrong_type(redis: redis_py.Redis, redis_url: str, key: str) -> None:
    assert found(redis_url)["types"].level == "ok"
    redis.rpush(key, "x")
    findings = found(redis_url)
    assert findings["types"].level == "critical"
    assert f"{key} (a list)" in findings["types"].found


def test_a_queue_of_a_wrong_type(redis: redis_py.Redis, redis_url: str) -> None:
    redis.sadd("queues", "mail")
    redis.set("queue:mail", "x")
    findings = found(redis_url)
    assert "queue:mail (a string)" in findings["types"].found
    assert findings["queues"].level == "ok"


def test_very_much_is_looked_at_in_part(redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis.pipeline() as pipe:
        pipe.sadd("queues", *[f"q{number}" for number in range(3_000)])
        for number in range(3_000):
            pipe.lpush(f"queue:q{number}", "x")
        pipe.execute()
    monkeypatch.setattr(queues, "_MOST", 500)
    monkeypatch.setattr(workers, "MOST", 10)
    for number in range(20):
        process(redis, f"h:{number}:0123456789ab", ours=False)
    redis.zadd("schedule", {json.dumps({"queue": "default", "n": number}): 4e9 for number in range(1_000)})
    findings = found(redis_url)
    assert re.search(r"500 jobs .*q\d+ \(1\).* and 495 more \(the first 500 looked at\)", findings["queues"].found)
    assert findings["queues"].level == "unknown", "another process may serve them"
    assert "10 processes (the first looked at)" in findings["processes"].found
    assert "of the next 200 jobs" in findings["scheduled-queues"].found
    monkeypatch.setattr(queues, "_BUDGET", -1.0)
    monkeypatch.setattr(workers, "_BUDGET", -1.0)
    hurried = found(redis_url)
    assert "(the first 0 looked at)" in hurried["queues"].found
    assert "not at all keys" in hurried["orphans"].found
    large = {json.dumps({"queue": "default", "n": number, "x": "x" * 2**20}): 3e9 for number in range(40)}
    redis.zadd("schedule", large)
    assert "of the next 20 jobs" in found(redis_url)["scheduled-queues"].found


def test_hostile_contents_reach_no_terminal_and_change_nothing(redis: redis_py.Redis, redis_url: str, ask: Ask) -> None:
    hostile = "\x1b[2J[red]x[/red]\r\n\u202e"
    redis.sadd("queues", hostile, b"\xff")
    redis.lpush(f"queue:{hostile}", "x")
    redis.sadd("paused", hostile)
    process(redis, hostile, [hostile], version=hostile, beat=1)
    redis.sadd("processes", "odd", "odder", "none")
    redis.hset("odd", mapping={"info": '{"queues":5,"version":[]}', "beat": "x"})
    redis.set("odder", "x")
    redis.zadd("schedule", {json.dumps({"queue": hostile}): 5, b"[[[": 6})
    redis.hset("fastkiq:suspects", hostile, hostile)
    redis.rpush(f"fastkiq:flight:{hostile}", "x")
    redis.set(f"fastkiq:{hostile}", "x")
    redis.zadd("fastkiq:alive", {b"\xff": 1, hostile: 1})
    before = {key: redis.dump(key) for key in redis.scan_iter()}
    for arguments in ([], ["--json"], ["--quiet"]):
        answer = ask(redis_url, *arguments)
        assert answer.returncode == 3, answer
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", answer.stdout + answer.stderr)
    assert "[red]" in ask(redis_url).stdout
    assert {key: redis.dump(key) for key in redis.scan_iter()} == before


def test_on_a_terminal_it_is_painted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from fastkiq.cli import doctor

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    findings = [Finding("a", "ok", "fine"), Finding("b", "critical", "[red]bad[/red] " * 8, "mend \x1b it")]
    doctor._show({"server": "redis 7", "redis": "redis://x"}, findings, findings, False)
    text = capsys.readouterr().out
    assert "1 critical, 1 ok" in text
    assert "[red]" in text
    assert "mend \\x1b it" in text
    assert max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 70


def test_the_gravest_stands_first(capsys: pytest.CaptureFixture[str]) -> None:
    from fastkiq.cli import doctor

    findings = [Finding("a", "ok", ""), Finding("b", "info", ""), Finding("c", "ok", ""), Finding("d", "critical", "")]
    doctor._show({"server": "redis 7", "redis": "redis://x"}, findings, findings, False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:-1]] == [["critical", "d"], ["info", "b"], ["ok", "2"]]
    assert lines[-2].endswith("a, c")


def test_the_worst_counts() -> None:
    assert worst([]) == "ok"
    assert worst([Finding("a", "warning", ""), Finding("b", "unknown", "")]) == "warning"
