"""Workers inside another program, and what its forks may do with them."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import clean_environment
from fastkiq.in_process import InProcess
from servers import wait_until


def script(source: str, folder: Path, redis_url: str) -> subprocess.CompletedProcess[str]:
    file = folder / "program.py"
    file.write_text(dedent(source))
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    return subprocess.run(
        [sys.executable, file], env=environment, capture_output=True, text=True, timeout=50, check=False, cwd=folder
    )


PROGRAM = """
    import os, sys, threading, fastkiq
    from fastkiq.errors import ForkedError
    done = threading.Event()

    class Job(fastkiq.Worker):
        def perform(self):
            done.set()

    class Long(fastkiq.Worker):
        def perform(self):
            done.set()
            threading.Event().wait()
"""


def test_a_with_block_runs_jobs_and_stops(tmp_path: Path, redis: redis_py.Redis, redis_url: str) -> None:
    body = """
    with fastkiq.run_in_process(concurrency=2) as workers:
        Job.perform_async()
        assert done.wait(10)
    workers.stop()
    print([thread.name for thread in threading.enumerate() if thread.name.startswith("fastkiq")])
    """
    answer = script(PROGRAM + body, tmp_path, redis_url)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "[]\n"
    assert redis.smembers("processes") == set()
    assert not redis.keys("fastkiq:flight:*")


def test_two_after_each_other(tmp_path: Path, redis: redis_py.Redis, redis_url: str) -> None:
    body = """
    for _ in range(2):
        done.clear()
        with fastkiq.run_in_process():
            Job.perform_async()
            assert done.wait(10)
    """
    answer = script(PROGRAM + body, tmp_path, redis_url)
    assert answer.returncode == 0, answer.stderr


def test_the_end_of_the_program_gives_back_what_runs(tmp_path: Path, redis: redis_py.Redis, redis_url: str) -> None:
    body = """
    workers = fastkiq.run_in_process(timeout=0.1)
    Long.perform_async()
    assert done.wait(10)
    """
    answer = script(PROGRAM + body, tmp_path, redis_url)
    assert answer.returncode == 0, answer.stderr
    assert redis.llen("queue:default") == 1
    assert redis.smembers("processes") == set()


def test_a_forked_child_may_not_steer_and_may_end(tmp_path: Path, redis: redis_py.Redis, redis_url: str) -> None:
    body = """
    workers = fastkiq.run_in_process()
    pid = os.fork()
    if pid == 0:
        for call in (workers.stop, workers.quiet):
            try:
                call()
            except ForkedError:
                continue
            os._exit(1)
        sys.exit(0)  # the exit handler must not stop the parent's workers
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    Job.perform_async()
    assert done.wait(10)
    workers.stop()
    """
    answer = script(PROGRAM + body, tmp_path, redis_url)
    assert answer.returncode == 0, answer.stderr


def test_stop_from_outside_and_quiet(redis: redis_py.Redis, redis_url: str) -> None:
    ran = threading.Event()
    made: Any = type("Job", (fastkiq.Worker,), {"perform": lambda self: ran.set()})
    config = fastkiq.Config(redis_url=redis_url, concurrency=1)
    workers = InProcess(config)
    workers.start()
    client = fastkiq.Client(config=config)
    client.push(made)
    assert ran.wait(10)
    identity = workers._launcher.server.identity
    assert re.fullmatch(f"<InProcess {re.escape(identity)} on default: [01] busy>", repr(workers))
    redis.lpush(f"{identity}-signals", "TERM")
    wait_until(lambda: not workers._manager.is_alive(), 20, "the workers to be stopped from outside")
    ran.clear()
    client.push(made)
    assert not ran.wait(0.2)
    workers.stop()
    assert repr(workers).endswith(": stopped>")
    assert redis.llen("queue:default") == 1


def test_redis_unreachable_is_the_callers_to_handle() -> None:
    workers = InProcess(fastkiq.Config(redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(fastkiq.RedisConnectionError):
        workers.start()
    workers.stop()


class Half:
    """A server whose start fails when most of it has begun."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def start(self) -> None:
        self._server.start()
        raise RuntimeError("no more threads")


@pytest.mark.parametrize("part", ["core", "manager"])
def test_a_start_that_fails_half_way_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, redis: redis_py.Redis, redis_url: str, part: str
) -> None:
    """What had begun would claim jobs that nobody runs."""
    workers = InProcess(fastkiq.Config(redis_url=redis_url, capsules={"other": {"queues": ["other"]}}))

    def refuse() -> None:
        assert redis.zcard("fastkiq:alive") == 2
        raise RuntimeError("no more threads")

    if part == "core":
        monkeypatch.setattr(workers._launcher, "server", Half(workers._launcher.server))
    else:
        monkeypatch.setattr(workers._manager, "start", refuse)
    with pytest.raises(RuntimeError, match="no more threads"):
        workers.start()
    assert redis.zcard("fastkiq:alive") == 0
    workers.stop()
