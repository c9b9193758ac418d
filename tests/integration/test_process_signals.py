"""Stopping, quieting and asking a real `fastkiq process`: by signals, from outside, in time, with nothing lost."""

import json
import signal
import time
from collections.abc import Callable

import pytest
import redis as redis_py

from children import Child
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, atexit, os, sys, threading, time, redis as redis_py, fastkiq
    db = redis_py.Redis.from_url(os.environ["FASTKIQ_REDIS_URL"])
    if "process" in sys.argv:
        atexit.register(db.rpush, "notes", "atexit")

    class Wait(fastkiq.Worker):
        "Runs until `go` exists; notes how it ended."
        def perform(self):
            db.rpush("notes", "begun")
            try:
                while not db.exists("go"):
                    time.sleep(0.01)
                db.rpush("notes", "ended")
            except fastkiq.Shutdown:
                db.rpush("notes", "shutdown")
                raise

    class Hang(fastkiq.Worker):
        "Does not let itself be stopped."
        def perform(self):
            db.rpush("notes", "begun")
            while True:
                try:
                    time.sleep(3600)
                except fastkiq.Shutdown:
                    continue

    class Spin(fastkiq.Worker):
        "Hogs the interpreter."
        def perform(self):
            db.rpush("notes", "begun")
            while True:
                pass

    class Async(fastkiq.Worker):
        async def perform(self):
            await asyncio.to_thread(db.rpush, "notes", "begun")
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                db.rpush("notes", "cancelled")
                raise

    class Polite(fastkiq.Worker):
        def perform(self):
            db.rpush("notes", "begun")
            while not self.interrupted:
                time.sleep(0.01)
            db.rpush("notes", "noticed")

    class Note(fastkiq.Worker):
        def perform(self, word):
            db.rpush("notes", word)
"""


def begun(redis: redis_py.Redis, count: int = 1) -> None:
    wait_until(lambda: notes(redis).count("begun") >= count, 10, f"{count} jobs to begin")


def notes(redis: redis_py.Redis) -> list[str]:
    return [note.decode() for note in redis.lrange("notes", 0, -1)]


def queued(redis: redis_py.Redis) -> list[str]:
    return [json.loads(job)["class"] for job in redis.lrange("queue:default", 0, -1)]


@pytest.fixture
def client(redis_url: str) -> Client:
    return Client(redis_url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_process_stops_at_once(worker_process: Start, redis: redis_py.Redis, number: signal.Signals) -> None:
    child = worker_process(APP)
    child.wait_for("ready:")
    started = time.monotonic()
    child.signal(number)
    assert child.wait() == 0
    assert time.monotonic() - started < 2
    assert notes(redis) == ["atexit"]
    assert redis.smembers("processes") == set()
    assert redis.zcard("fastkiq:alive") == 0


def test_running_jobs_may_end_and_waiting_ones_go_back(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP, "-c", "1", "-t", "20")
    client.push("app.Wait")
    begun(redis)
    client.push("app.Note", "later")
    child.signal(signal.SIGTERM)
    child.wait_for("with 20 s to end")
    redis.set("go", 1)
    assert child.wait() == 0
    assert notes(redis) == ["begun", "ended", "atexit"]
    assert queued(redis) == ["app.Note"]
    assert not redis.keys("fastkiq:flight:*")


def test_what_outlives_the_timeout_is_given_back_first_and_then_told(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP, "-t", "0.5")
    for name in ("app.Wait", "app.Async", "app.Polite"):
        client.push(name)
    begun(redis, 3)
    started = time.monotonic()
    assert child.stop() == 0
    assert time.monotonic() - started < 0.5 + 3.0 + 2.0  # of which the last are for a busy machine
    assert sorted(notes(redis)) == sorted(["begun"] * 3 + ["shutdown", "cancelled", "noticed", "atexit"])
    assert sorted(queued(redis)) == ["app.Async", "app.Wait"], "both are there to run again"
    assert redis.get("stat:processed") == b"3"
    assert redis.get("stat:failed") == b"2"
    assert not redis.zcard("retry"), "a stop is nobody's failure"


@pytest.mark.parametrize("name", ["app.Hang", "app.Spin"])
def test_threads_that_never_end_do_not_hold_the_exit_up(
    worker_process: Start, redis: redis_py.Redis, client: Client, name: str
) -> None:
    child = worker_process(APP, "-t", "0.5")
    client.push(name)
    begun(redis)
    started = time.monotonic()
    assert child.stop() == 0
    assert time.monotonic() - started < 0.5 + 3.0 + 2.0  # of which the last are for a busy machine
    assert queued(redis) == [name]
    assert notes(redis)[-1] == "atexit", "exit handlers run all the same"


def test_a_hook_that_never_returns_does_not_hold_the_exit_up(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(
        """
        import threading, fastkiq
        @fastkiq.configure().on("shutdown")
        def hang():
            threading.Event().wait()
        class Job(fastkiq.Worker):
            def perform(self): ...
        """,
        "-t",
        "0.5",
    )
    child.wait_for("ready:")
    started = time.monotonic()
    assert child.stop() == 1
    assert time.monotonic() - started < 0.5 + 3.0 + 2.0  # of which the last are for a busy machine


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_startup_hook_that_hangs_can_be_interrupted(
    worker_process: Start, redis: redis_py.Redis, number: signal.Signals, code: int
) -> None:
    child = worker_process(
        """
        import threading, fastkiq
        config = fastkiq.configure()

        class Idle(fastkiq.Worker):
            def perform(self): ...

        @config.on("startup")
        def hang():
            print("hangs", flush=True)
            threading.Event().wait()
        """
    )
    child.wait_for("hangs")
    child.signal(number)
    assert child.wait(10) == code


def test_a_second_interrupt_stops_at_once_and_loses_nothing(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP, "-t", "60")
    for _ in range(3):
        client.push("app.Hang")
    begun(redis, 3)
    child.signal(signal.SIGINT)
    child.wait_for("with 60 s to end")
    started = time.monotonic()
    child.signal(signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - started < 2
    assert queued(redis) == ["app.Hang"] * 3


def test_an_interrupt_also_ends_the_last_seconds_of_a_stop(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP, "-t", "0.1")
    client.push("app.Hang")
    begun(redis, 1)
    child.signal(signal.SIGTERM)
    child.wait_for("back in their queues")
    started = time.monotonic()
    child.signal(signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - started < 2, "it would have waited 3 s for the job's finally blocks"
    assert queued(redis) == ["app.Hang"]


def test_tstp_takes_no_more_jobs_and_lets_the_running_ones_end(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP)
    client.push("app.Wait")
    begun(redis)
    child.signal(signal.SIGTSTP)
    child.wait_for("quiet")
    client.push("app.Note", "not here")
    redis.set("go", 1)
    wait_until(lambda: "ended" in notes(redis), 10)
    assert child.stop() == 0
    assert "not here" not in notes(redis)
    assert queued(redis) == ["app.Note"]


def test_ttin_logs_every_threads_stack(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    child = worker_process(APP)
    client.push("app.Wait")
    begun(redis)
    child.signal(signal.SIGTTIN)
    text = child.wait_for("in perform")
    assert "Thread MainThread" in text
    assert "Thread fastkiq-default-1" in text
    redis.set("go", 1)
    assert child.stop() == 0


def test_commands_from_outside(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP, env={"FASTKIQ_ENV": "test"})
    child.wait_for("ready:")
    identity = wait_until(lambda: redis.smembers("processes"), 5).pop().decode()
    for name, shown in (("TTIN", "Thread MainThread"), ("NONSENSE", "unknown signal NONSENSE"), ("TSTP", "quiet")):
        redis.lpush(f"{identity}-signals", name)
        child.wait_for(shown, 20)
    redis.lpush(f"{identity}-signals", "TERM")
    assert child.wait() == 0


def test_a_child_forked_by_a_job_is_its_own_master(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(
        """
        import os, signal, sys, redis as redis_py, fastkiq
        db = redis_py.Redis.from_url(os.environ["FASTKIQ_REDIS_URL"])

        class Fork(fastkiq.Worker):
            def perform(self, how):
                reader, writer = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.write(writer, b"x")
                    if how == "exit":
                        sys.exit(5)
                    if how == "raise":
                        raise RuntimeError("in the child")
                    if how == "return":
                        return
                    signal.pause()
                os.read(reader, 1)
                if how == "term":
                    os.kill(pid, signal.SIGTERM)
                db.rpush("notes", f"{how} {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")
        """,
        "-c",
        "1",
    )
    for how in ("exit", "raise", "return", "term"):
        client.push("app.Fork", how)
    wait_until(lambda: len(notes(redis)) == 4, 20, "four children to end")
    assert sorted(notes(redis)) == ["exit 5", "raise 1", "return 0", "term -15"]
    assert child.stop() == 0
    assert redis.get("stat:processed") == b"4"
    assert redis.get("stat:failed") in (None, b"0")
