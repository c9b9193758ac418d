"""`fastkiq busy`: processes and what they run; quiet, stop, and what their threads do."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

from children import Child
from fastkiq import _core
from servers import wait_until
from stored import jid, job
from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]

APP = """
import time
import fastkiq

class Nap(fastkiq.Worker):
    def perform(self, seconds: float) -> None:
        time.sleep(seconds)
"""
OURS = f"fastkiq {_core.__version__}"


def process(redis: redis_py.Redis, identity: str, *, version: str = OURS, busy: int = 0, **info: object) -> None:
    """A process as its heartbeat leaves it."""
    told = {"hostname": "web", "pid": 5, "tag": "app", "queues": ["default"], "labels": [], "version": version, **info}
    redis.sadd("processes", identity)
    redis.hset(
        identity,
        mapping={"info": json.dumps(told), "busy": busy, "concurrency": 5, "beat": time.time(), "quiet": "false"},
    )


def runs(redis: redis_py.Redis, identity: str, thread: str, raw: bytes) -> None:
    entry = {"queue": "default", "run_at": int(time.time()) - 90, "payload": raw.decode()}
    redis.hset(f"{identity}:work", thread, json.dumps(entry))


def signals(redis: redis_py.Redis, identity: str) -> list[bytes]:
    return redis.lrange(f"{identity}-signals", 0, -1)


def test_a_real_worker_is_listed_quieted_and_stopped(
    ask: Ask, redis: redis_py.Redis, worker_process: Callable[..., Child], tmp_path: Path
) -> None:
    child = worker_process(APP, "-t", "1")
    child.wait_for("ready")
    asked = ask("push", "app.Nap", "60").stdout.strip()
    wait_until(lambda: any(redis.hvals(f"{identity.decode()}:work") for identity in redis.smembers("processes")), 15)
    document = json.loads(ask("busy", "--json").stdout)
    (listed,), (work,) = document["processes"], document["work"]
    assert (listed["pid"], listed["busy"], listed["version"]) == (child.pid, 1, OURS)
    assert (work["jid"], work["args"], work["queue"], work["process"]) == (asked, [60], "default", listed["process"])
    assert work["payload"]["class"] == "app.Nap"
    name = listed["process"].rpartition(":")[0]
    assert ask("busy", "quiet", name).stdout == f"{listed['process']}: asked to be quiet\n"
    child.wait_for("quiet", 20)
    assert ask("busy", "stop", name).stdout == f"{listed['process']}: asked to stop\n"
    assert child.wait(30) == 0
    assert redis.llen("queue:default") == 1, "its job went back"


def test_who_is_meant(ask: Ask, redis: redis_py.Redis) -> None:
    for identity in ("web1:5:aa", "web1:51:bb", "web2:7:cc"):
        process(redis, identity)
    assert ask("busy", "quiet", "web1:5").stdout.startswith("web1:5:aa: asked")
    assert ask("busy", "quiet", "web2").stdout.startswith("web2:7:cc: asked")
    several = ask("busy", "quiet", "web1")
    assert several.returncode == 2
    assert "'web1' may be 2 processes: web1:51:bb, web1:5:aa" in several.stderr
    none = ask("busy", "quiet", "web9\x1b")
    assert (none.returncode, none.stdout) == (1, "")
    assert "no process is called 'web9\\x1b'" in none.stderr
    assert [signals(redis, each) for each in ("web1:5:aa", "web1:51:bb", "web2:7:cc")] == [[b"TSTP"], [], [b"TSTP"]]
    for wrong in ([], ["web2", "--all"]):
        assert ask("busy", "quiet", *wrong).returncode == 2
    assert ask("busy", "quiet", "--all").stdout.count("asked to be quiet") == 3


def test_who_belongs_to_another_program_is_left_to_it(ask: Ask, redis: redis_py.Redis) -> None:
    process(redis, "web1:5:aa", embedded=True)
    process(redis, "web2:7:cc")
    answer = ask("busy", "stop", "--all", "--yes")
    assert answer.stdout == "web2:7:cc: asked to stop\n"
    assert "web1:5:aa runs inside of another program" in answer.stderr
    alone = ask("busy", "stop", "web1:5")
    assert alone.returncode == 1
    assert signals(redis, "web1:5:aa") == []


def test_to_stop_several_it_asks(ask: Ask, terminal: Callable[..., Terminal], redis: redis_py.Redis) -> None:
    process(redis, "web1:5:aa")
    process(redis, "web2:7:cc")
    for arguments in (["--all"], ["web1", "web2"]):
        refused = ask("busy", "stop", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "stop 2 processes? Nobody can be asked here" in refused.stderr
    asked = terminal("busy", "stop", "--all")
    asked.wait_for("stop 2 processes? [y/N]")
    asked.type("n\r")
    assert asked.wait() == 1
    assert signals(redis, "web1:5:aa") == []
    assert ask("busy", "stop", "web1").returncode == 0
    assert signals(redis, "web1:5:aa") == [b"TERM"]


def test_stacks_are_printed_when_they_come(ask: Ask, redis: redis_py.Redis) -> None:
    process(redis, "web1:5:aa", busy=1)
    runs(redis, "web1:5:aa", "t1", job(7))
    key = "fastkiq:stacks:web1:5:aa"
    redis.hset(key, mapping={"at": "1700000000.5", "threads": "of long ago"})

    def answer() -> None:
        wait_until(lambda: signals(redis, "web1:5:aa") == [b"STACKS"], 20)
        stack = {"stack": ["app.py:3:in Mail.perform", "smtp.py:9:in \x1b[31msend"]}
        redis.hset(key, mapping={"at": "1700000009.5", "threads": "MainThread\n  a.py:1\x1b", "t1": json.dumps(stack)})

    for form in (["--threads"], ["--json"]):
        redis.delete("web1:5:aa-signals")
        redis.hset(key, "at", "1700000000.5")
        beat = threading.Thread(target=answer)
        beat.start()
        found = ask("busy", "dump", "web1", *form)
        beat.join()
        assert found.returncode == 0, found
        if "--json" in form:
            (told,) = json.loads(found.stdout)
            assert (told["process"], told["at"]) == ("web1:5:aa", 1_700_000_009.5)
            assert told["jobs"][0]["jid"] == jid(7)
            assert told["jobs"][0]["stack"][0] == "app.py:3:in Mail.perform"
        else:
            assert found.stdout.splitlines() == [
                "web1:5:aa, 2023-11-14T22:13:29.500Z",
                "",
                f"  t1: app.Mail {jid(7)}",
                "    app.py:3:in Mail.perform",
                "    smtp.py:9:in \\x1b[31msend",
                "",
                "  all threads:",
                "    MainThread",
                "      a.py:1\\x1b",
                "",
            ]


def test_only_jobs_are_shown_unless_all_threads_are_wanted(
    redis: redis_py.Redis, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastkiq.api import ProcessSet, Stacks, connect
    from fastkiq.cli import stacks

    process(redis, "web1:5:aa")
    (found,) = ProcessSet(connect(url=redis_url))
    stacks._show(found, Stacks(5.0, {}, "MainThread"), False)
    assert capsys.readouterr().out.splitlines()[1:] == ["", "  no job runs", ""]
    stacks._show(found, Stacks(5.0, {"t": ["a.py:1:in f"]}, "MainThread"), True)
    assert (
        "  t: a job that has ended since\n    a.py:1:in f\n\n  all threads:\n    MainThread\n"
        in capsys.readouterr().out
    )


def test_who_does_not_answer_is_named_and_sidekiq_only_logs(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastkiq.api import ProcessSet, connect
    from fastkiq.cli.stacks import dump_stacks

    process(redis, "web1:5:aa")
    process(redis, "ruby:7:cc", version="8.1.7")
    assert dump_stacks(list(ProcessSet(connect(url=redis_url))), as_json=False, all_threads=False, wait=0.1) == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "web1:5:aa has not answered within 0.1 s" in answer.err
    assert "ruby:7:cc runs 8.1.7: asked to log its stacks" in answer.err
    assert (signals(redis, "web1:5:aa"), signals(redis, "ruby:7:cc")) == ([b"STACKS"], [b"TTIN"])
