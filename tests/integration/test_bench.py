"""`fastkiq bench` from outside: what it prints, and that nothing of it stays, whatever happens."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from fastkiq.bench.queues import QUEUE
from servers import Server, wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = ("--jobs", "3000", "--probes", "5")


@pytest.fixture
def bench(tmp_path: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            fastkiq("bench", *arguments),
            cwd=tmp_path,
            env=clean_environment({"TMPDIR": str(tmp_path), **environment}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


def figures(answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.mark.both_servers
def test_the_figures_of_two_processes_over_three_queues(bench: Run, redis_url: str, redis: redis_py.Redis) -> None:
    found = figures(bench(*SHORT, "--redis", redis_url, "--processes", "2", "--queues", "3", "-c", "3", "--json"))
    assert (found["jobs"], found["processes"], found["queues"], found["concurrency"]) == (3_000, 2, 3, 3)
    assert found["wake_up_probes"] == 5
    assert found["wake_up_p50_ms"] <= found["wake_up_p90_ms"] <= found["wake_up_p99_ms"] <= found["wake_up_max_ms"]
    for name in (
        *("enqueue_single_jobs_per_second", "enqueue_bulk_jobs_per_second", "drain_jobs_per_second", "drain_seconds"),
        *("worker_cpu_us_per_job", "redis_commands_per_job", "redis_round_trips_per_job", "redis_memory_bytes_per_job"),
        *("worker_rss_at_rest_mib", "worker_rss_peak_mib", "payload_bytes"),
    ):
        assert found[name] > 0, name
    assert found["redis_round_trips_per_job"] < 0.5, "batches, not one by one"
    assert found["worker_rss_peak_mib"] >= found["worker_rss_at_rest_mib"]
    assert not found["server_private"]
    assert redis.keys() == []


def test_basic_fetch_claims_no_more_than_threads_are_free_and_one_job_is_enough(bench: Run, redis_url: str) -> None:
    found = figures(bench(*SHORT, "--redis", redis_url, "--fetch", "basic", "--json"))
    assert found["redis_round_trips_per_job"] > 1 / 25
    found = figures(bench("--jobs", "1", "--probes", "1", "--redis", redis_url, "--json"))
    assert found["drain_jobs_per_second"] is None
    assert found["redis_memory_bytes_per_job"] is None


def test_on_a_private_server_in_plain_text(bench: Run, tmp_path: Path) -> None:
    answer = bench(*SHORT, "--payload", "1000", "--delay", "1")
    assert answer.returncode == 0, answer.stderr
    head, conditions, empty, *rows = answer.stdout.splitlines()
    assert "private, without persistence" in head
    assert re.search(r"3,000 jobs of 1,0\d\d bytes \| 1 process of 25 threads \| reliable fetch", conditions)
    assert "1 ms added to each round trip" in conditions
    assert empty == ""
    assert [row for row in rows if re.match(r"wake-up p99 +\d+\.\d\d +ms", row)]
    assert "\x1b" not in answer.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_database_in_use_is_left_alone(bench: Run, redis_url: str, redis: redis_py.Redis) -> None:
    redis.set("somebody's", 1)
    answer = bench("--redis", redis_url)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "holds 1 key; bench measures in an empty database only" in answer.stderr
    assert redis.keys() == [b"somebody's"]


@pytest.mark.both_servers
def test_more_jobs_than_the_server_has_room_for_are_refused(bench: Run, start_server: Callable[..., Server]) -> None:
    server = start_server("maxmemory 50mb")
    answer = bench("--jobs", "500000", "--redis", server.url)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert re.search(r"take 93 MiB of Redis's memory, and it has 4\d MiB left", answer.stderr)
    figures(bench(*SHORT, "--redis", server.url, "--json"))
    with server.client() as client:
        assert client.keys() == []


def test_a_server_that_does_not_tell(bench: Run, server: Server, redis: redis_py.Redis) -> None:
    redis.acl_setuser("silent", enabled=True, passwords=["+pw"], keys=["*"], channels=["*"], categories=["+@all"])
    redis.execute_command("ACL", "SETUSER", "silent", "-info")
    try:
        url = f"redis://silent:pw@127.0.0.1:{server.port}/0"
        found = figures(bench(*SHORT, "--json", "--redis", url))
        assert found["server"].startswith("unknown")
        assert found["redis_cpu_us_per_job"] is None
        assert found["drain_jobs_per_second"] > 0
        assert redis.keys() == []
    finally:
        redis.acl_deluser("silent")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_nothing_is_left(
    kind: signal.Signals, tmp_path: Path, redis_url: str, redis: redis_py.Redis
) -> None:
    arguments = fastkiq("bench", "--jobs", "500000", "--probes", "1", "--processes", "2", "--redis", redis_url)
    child = Child(arguments, tmp_path, clean_environment({"TMPDIR": str(tmp_path)}))
    try:
        wait_until(lambda: int(redis.get("stat:processed") or 0) > 100, 30, "the drain to begin")
        workers = children_of(child.pid)
        assert len(workers) == 2
        child.signal(kind)
        child.signal(kind)
        assert child.wait() == (130 if kind == signal.SIGINT else 128 + kind)
        assert "Traceback" not in child.output()
        assert [pid for pid in workers if os.path.exists(f"/proc/{pid}")] == []
        assert redis.keys() == []
        assert list(tmp_path.iterdir()) == []
    finally:
        child.close()


def test_killed_it_leaves_no_process(tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    arguments = fastkiq("bench", "--jobs", "500000", "--probes", "1", "--delay", "1", "--redis", redis_url)
    child = Child(arguments, tmp_path, clean_environment())
    try:
        wait_until(lambda: int(redis.get("stat:processed") or 0) > 100, 30, "the drain to begin")
        helpers = children_of(child.pid)
        assert len(helpers) == 2, "the proxy and a worker"
        child.kill()
        wait_until(lambda: not any(running(pid) for pid in helpers), 15, "the helpers to end")
    finally:
        child.close()


def test_a_worker_that_dies_ends_it(tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    arguments = fastkiq("bench", "--jobs", "500000", "--probes", "1", "--redis", redis_url)
    child = Child(arguments, tmp_path, clean_environment())
    try:
        wait_until(lambda: int(redis.get("stat:processed") or 0) > 100, 30, "the drain to begin")
        os.kill(children_of(child.pid)[0], signal.SIGKILL)
        assert child.wait() == 1
        assert "fastkiq: a worker process ended with -9" in child.output()
        assert redis.keys() == []
    finally:
        child.close()


def test_a_server_that_dies_ends_it(start_server: Callable[..., Server], tmp_path: Path) -> None:
    server = start_server()
    arguments = fastkiq("bench", "--jobs", "500000", "--probes", "1", "--redis", server.url)
    child = Child(arguments, tmp_path, clean_environment())
    try:
        with server.client() as client:
            wait_until(lambda: client.llen(f"queue:{QUEUE}") > 1_000, 30, "jobs")
        server.kill()
        assert child.wait() == 1
        assert "what was put into Redis could not be deleted" in child.output()
        assert "Traceback" not in child.output()
    finally:
        child.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--jobs", "0"], "--jobs"),
        (["--payload", "10"], "smallest job"),
        (["--payload", "9000000"], "--payload"),
        (["--fetch", "magic"], "--fetch"),
        (["--delay", "-1"], "--delay"),
        (["--delay", "1", "--redis", "rediss://localhost:1"], "--delay works"),
        (["--redis", "gopher://x"], "--redis"),
        (["--jobs", "100000000", "--payload", "8000000"], "memory"),
    ],
)
def test_mistakes_take_one_line_and_exit_2(bench: Run, arguments: list[str], says: str) -> None:
    answer = bench(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert says in answer.stderr


def test_without_any_server_the_configured_one_is_asked(bench: Run) -> None:
    answer = bench("--redis", "redis://127.0.0.1:1")
    assert answer.returncode == 1
    assert "is Redis running?" in answer.stderr


def children_of(pid: int) -> list[int]:
    text = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in text.split()]


def running(pid: int) -> bool:
    """A zombie that nobody reaps has ended too."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
