"""`fastkiq process` on real servers: jobs of every kind, from the push to what is left behind."""

import contextlib
import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, os, redis as redis_py, fastkiq
    db = redis_py.Redis.from_url(os.environ["FASTKIQ_REDIS_URL"])

    class Note(fastkiq.Worker):
        def perform(self, *words):
            db.rpush("notes", " ".join(map(str, words)))

    class Later(fastkiq.Worker):
        async def perform(self, word):
            await asyncio.sleep(0.001)
            await asyncio.to_thread(db.rpush, "notes", word)

    class Stubborn(fastkiq.Worker, retry=2):
        def perform(self):
            db.rpush("notes", f"attempt {self.job.attempt}")
            if self.job.attempt < 3:
                raise fastkiq.Retry(in_=0.05)

    class Doomed(fastkiq.Worker, retry=0, backtrace=True):
        def perform(self):
            raise ValueError("no \\x1b[31mway")

    class Sleepy(fastkiq.Worker):
        def perform(self):
            if db.incr("snoozes") == 1:
                raise fastkiq.Snooze(in_=0.05)
            db.rpush("notes", f"awake at attempt {self.job.attempt}")
"""


def notes(redis: redis_py.Redis, count: int) -> list[str]:
    wait_until(lambda: redis.llen("notes") >= count, 15, f"{count} notes")
    return [note.decode() for note in redis.lrange("notes", 0, -1)]


def settled(redis: redis_py.Redis) -> bool:
    """Nothing is queued and nobody holds a claim."""
    return not redis.llen("queue:default") and not redis.keys("fastkiq:flight:*")


@pytest.fixture
def client(redis_url: str) -> Client:
    return Client(redis_url)


@pytest.mark.both_servers
def test_jobs_of_every_kind(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    child = worker_process(APP)
    for number in range(200):
        client.push("app.Note", number)
    client.push_bulk("app.Later", [[f"async {number}"] for number in range(50)])
    client.push("app.Note", "in time", in_=0.3)
    found = notes(redis, 251)
    assert set(found) == {str(number) for number in range(200)} | {f"async {n}" for n in range(50)} | {"in time"}
    wait_until(lambda: settled(redis), 5, "the acks")
    wait_until(lambda: redis.get("stat:processed") == b"251", 5, "the count")
    assert child.stop() == 0
    assert redis.get("stat:failed") in (None, b"0")
    assert redis.smembers("processes") == set()


def test_retry_to_success_and_snooze(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    child = worker_process(APP)
    client.push("app.Stubborn", retry=2)
    client.push("app.Sleepy")
    found = notes(redis, 4)
    assert [note for note in found if note.startswith("attempt")] == ["attempt 1", "attempt 2", "attempt 3"]
    assert "awake at attempt 1" in found, "a snooze is no attempt"
    wait_until(lambda: settled(redis) and not redis.zcard("retry") and not redis.zcard("schedule"), 5)
    assert child.stop() == 0


def test_death_keeps_the_job_and_the_log_has_the_traceback(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP)
    jid = client.push("app.Doomed", retry=0, backtrace=True)
    wait_until(lambda: redis.zcard("dead") == 1, 10, "a dead job")
    entry = json.loads(redis.zrange("dead", 0, -1)[0])
    assert (entry["jid"], entry["error_class"], entry["retry_count"]) == (jid, "ValueError", 0)
    assert entry["error_message"] == "no \x1b[31mway"
    assert entry["error_backtrace"].startswith("eJ")
    text = child.wait_for("ValueError: no \\x1b[31mway")
    assert "\x1b[31mway" not in text
    assert 'app.py", line' in text
    assert "processor.py" not in text
    assert child.stop() == 0


def test_json_logs_are_objects(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    client.push("app.Doomed", retry=0)
    client.push("app.Note", "x")
    child = worker_process(APP, "--log-format", "json", "-v", "--drain")
    assert child.wait() == 0
    lines = [json.loads(line) for line in child.output().splitlines() if line.startswith("{")]
    assert {"start", "end"} <= {line["message"] for line in lines}
    failure = next(line for line in lines if "dead set" in line["message"])
    assert (failure["class"], failure["level"], failure["queue"]) == ("app.Doomed", "WARNING", "default")
    assert "Traceback" in failure["error"]


def test_drain_ends_when_nothing_is_left_and_says_what_stays(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    for number in range(50):
        client.push("app.Note", number)
    client.push("app.Note", "soon", in_=0.5)
    client.push("app.Note", "tomorrow", in_=86_400)
    client.push("app.Note", "elsewhere", queue="other")
    child = worker_process(APP, "--drain=5")
    assert child.wait() == 0
    assert "soon" in notes(redis, 51)
    assert re.search(r"drained: 51 jobs run, 0 failed; 1 waits", child.output())
    assert redis.llen("queue:other") == 1


def test_drain_with_nothing_to_do_is_quick(worker_process: Start, redis: redis_py.Redis) -> None:
    started = time.monotonic()
    assert worker_process(APP, "--drain").wait() == 0
    assert time.monotonic() - started < 5


def test_hooks_middleware_and_handlers(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    source = """
        import os, redis as redis_py, fastkiq
        db = redis_py.Redis.from_url(os.environ["FASTKIQ_REDIS_URL"])
        config = fastkiq.configure()
        for event in ("startup", "quiet", "shutdown", "exit", "heartbeat"):
            config.on(event, lambda event=event: db.rpush("notes", event))

        def around(worker, job):
            db.rpush("notes", f"before {job.jid[:0]}{type(worker).__name__}")
            yield
            db.rpush("notes", "after")

        config.server_middleware.add(around)
        config.error_handlers.append(lambda error, context: db.rpush("notes", f"error {error}"))
        config.death_handlers.append(lambda job, error: db.rpush("notes", f"death of {job.class_name}"))

        class Job(fastkiq.Worker):
            def perform(self, fails):
                if fails:
                    raise ValueError("x")
    """
    child = worker_process(source, "-t", "5")
    client.push("app.Job", False)
    assert notes(redis, 4)[0] == "startup"
    client.push("app.Job", True, retry=0)
    notes(redis, 7)
    assert child.stop() == 0
    found = notes(redis, 10)
    assert "heartbeat" in found
    found.remove("heartbeat")
    assert found == [
        *("startup", "before Job", "after"),
        *("before Job", "error x", "death of app.Job"),
        *("quiet", "shutdown", "exit"),
    ]


def test_a_startup_hook_that_fails_stops_the_boot(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(
        """
        import fastkiq
        @fastkiq.configure().on("startup")
        def check():
            raise RuntimeError("no licence")
        class Job(fastkiq.Worker):
            def perform(self): ...
        """
    )
    assert child.wait() == 1
    assert "RuntimeError: no licence" in child.output()
    assert redis.smembers("processes") == set()


def test_workers_whose_queue_nobody_serves_are_named_at_boot(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(
        "import fastkiq\nclass Job(fastkiq.Worker, queue='mail'):\n    def perform(self): ...\n", "-q", "default"
    )
    child.wait_for("ready:")
    assert "does not serve the queue 'mail' of app.Job" in child.output()
    assert child.stop() == 0


def test_strict_order(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    client.push_bulk("app.Note", [["low", number] for number in range(20)], queue="low")
    client.push_bulk("app.Note", [["high", number] for number in range(20)], queue="high")
    assert worker_process(APP, "-q", "high", "-q", "low", "-c", "1", "--drain").wait() == 0
    found = [note.split()[0] for note in notes(redis, 40)]
    # Order is promised at claim time: an idle process waits on each queue, and one job of the lower may come first.
    found.remove("low")
    assert found == ["high"] * 20 + ["low"] * 19


def test_at_most_once(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    source = """
        import os, redis as redis_py, fastkiq
        db = redis_py.Redis.from_url(os.environ["FASTKIQ_REDIS_URL"])
        class Once(fastkiq.Worker, ack="start"):
            def perform(self):
                db.rpush("notes", f"queued {db.llen('queue:default')} in flight {len(db.keys('fastkiq:flight:*'))}")
                raise ValueError("fails")
    """
    client.push("app.Once")
    child = worker_process(source, "--drain")
    assert child.wait() == 0
    assert notes(redis, 1) == ["queued 0 in flight 0"]
    assert redis.zcard("retry") == redis.zcard("dead") == 0
    assert "dropped: ValueError: fails" in child.output()


def test_a_password_on_the_command_line_is_blanked(
    worker_process: Start, start_server: Callable[..., object], redis: redis_py.Redis
) -> None:
    server = start_server("requirepass hunter2")
    url = f"redis://:hunter2@127.0.0.1:{server.port}/0"  # type: ignore[attr-defined]
    source = dedent(APP) + "\nimport sys; print('argv', sys.argv, sys.orig_argv, flush=True)\n"
    child = worker_process(source, "--redis", url)
    text = child.wait_for("ready:")
    assert "argv [" in text
    assert "FASTKIQ_REDIS_URL" in text
    assert "hunter2" not in text
    with open(f"/proc/{child.pid}/cmdline", "rb") as file:
        assert b"hunter2" not in file.read()
    assert child.stop() == 0


def test_a_terminal_gets_a_banner_and_colours(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "app.py").write_text("import fastkiq\nclass Job(fastkiq.Worker):\n    def perform(self): ...\n")
    for extra, coloured in ({}, True), ({"NO_COLOR": "1"}, False):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            fastkiq("process", "app.py", "-q", "low", "-q", "high", "--drain"),
            cwd=tmp_path,
            env=clean_environment({"FASTKIQ_REDIS_URL": redis_url, "TERM": "xterm", **extra}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = ""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while data := os.read(ours, 4096):
                shown += data.decode()
        os.close(ours)
        assert process.wait(10) == 0
        assert ("\x1b[" in shown) == coloured
        assert "low, high" in shown
        plain = re.sub("\x1b\\[[0-9;]*m", "", shown)
        assert f"pid{' ' * 6}{process.pid}" in plain
        assert "1 worker, up to 25 threads" in plain
