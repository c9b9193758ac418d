"""`--health` of real processes: what supervisors and Prometheus are told, whatever jobs, Redis and clients do."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import redis as redis_py

import fastkiq
from children import clean_environment
from health_kit import APP, Probe, Start, ready
from servers import Server, free_port, wait_until


def test_a_process_is_live_and_ready(worker_process: Start) -> None:
    child = worker_process(APP, "--health", "0")
    probe = ready(child)
    assert probe.host == "127.0.0.1"
    for path in ("/live", "/ready", "/ready?verbose"):
        assert probe.get(path)[:3] == (200, "ok\n", "text/plain; charset=utf-8")
    assert probe.get("/live", "HEAD")[:2] == (200, "")
    head = probe.raw(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert int(re.search(rb"Content-Length: (\d+)\r\n", head)[1]) > 1_000  # type: ignore[index]
    assert head.endswith(b"\r\n\r\n")
    assert probe.get("/").status == 404
    assert probe.get("/live", "POST").status == 405
    assert child.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        probe.get("/live")


def test_the_metrics_are_what_ran(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    redis.sadd("paused", "full")
    child = worker_process(APP, "--health", "0", "-q", "default", "-q", "full", "-g", 'a "tag" \\n')
    probe = ready(child)
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.Ok", [()] * 200)
    client.push("app.Ok", 0.15)
    client.push_bulk("app.Bad", [()] * 5)
    client.push_bulk("app.Async", [()] * 20)
    wait_until(lambda: probe.value("fastkiq_processed_total") == 226, 15, "all of them")
    redis.lpush("queue:full", json.dumps({"class": "X", "args": [], "enqueued_at": int(time.time() - 60) * 1000}), "no")
    redis.zadd("dead", {"x": 1})
    redis.zadd("schedule", {"x": time.time() + 900, "y": time.time() + 900})
    wait_until(lambda: probe.value("fastkiq_busy") == 0, 10, "the threads to turn")
    time.sleep(0.6)  # what Redis has told stands for half a second

    families = probe.metrics()
    histogram = {
        (sample.name.removeprefix("fastkiq_job_duration_seconds_"), *sample.labels.values()): sample.value
        for sample in families["fastkiq_job_duration_seconds"].samples
    }
    assert histogram["count", "app.Ok"] == histogram["bucket", "app.Ok", "+Inf"] == 201
    assert histogram["bucket", "app.Ok", "0.1"] <= 200
    assert 0.15 <= histogram["sum", "app.Ok"] < 30
    assert histogram["count", "app.Async"] == 20
    assert histogram["count", "app.Bad"] == 0, "it has failed: it has no duration, as with Sidekiq"
    bounds = [
        sample.labels["le"] for sample in families["fastkiq_job_duration_seconds"].samples if "le" in sample.labels
    ]
    assert len(bounds) == 3 * 26
    assert probe.value("fastkiq_job_failures_total", **{"class": "app.Bad"}) == 5
    assert probe.value("fastkiq_failed_total") == 5
    assert probe.value("fastkiq_queue_size", queue="default") == 0
    assert probe.value("fastkiq_queue_latency_seconds", queue="default") == 0
    assert probe.value("fastkiq_set_size", set="retry") == 5
    assert probe.value("fastkiq_set_size", set="schedule") == 2
    assert probe.value("fastkiq_set_size", set="dead") == 1
    assert probe.value("fastkiq_concurrency") == 103
    assert probe.value("fastkiq_ready") == probe.value("fastkiq_redis_up") == 1
    assert probe.value("fastkiq_ack_jobs_total") == 221, "those that failed left for retry, each by a call of its own"
    assert probe.value("fastkiq_fetch_jobs_total") >= 226
    assert 1 <= probe.value("fastkiq_fetch_batches_total") <= probe.value("fastkiq_fetch_jobs_total")
    assert 1 <= probe.value("fastkiq_ack_batches_total") <= 221
    assert 0 <= probe.value("fastkiq_heartbeat_age_seconds") < 2
    assert 0 < probe.value("fastkiq_redis_rtt_seconds") < 2
    assert 10e6 < probe.value("process_resident_memory_bytes") < 1e9
    waits = {sample.name: sample.value for sample in families["fastkiq_gil_wait_seconds"].samples}
    assert waits["fastkiq_gil_wait_seconds_count"] > 0
    (info,) = families["fastkiq_info"].samples
    (identity,) = redis.smembers("processes")
    assert info.labels == {"version": fastkiq.__version__, "identity": identity.decode(), "tag": 'a "tag" \\n'}

    # What the heartbeat has written to Redis is not taken from the totals, nor does it count twice.
    wait_until(lambda: redis.keys("h|app.Ok*"), 5, "the heartbeat to write")
    assert probe.value("fastkiq_job_duration_seconds_count", **{"class": "app.Ok"}) == 201
    assert probe.value("fastkiq_queue_size", queue="full") == 2
    assert 60 <= probe.value("fastkiq_queue_latency_seconds", queue="full") < 120
    assert child.stop() == 0


def test_names_that_anybody_can_make_up_break_no_line(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP, "--health", "0")
    probe = ready(child)
    client = fastkiq.Client(redis_url)
    for name in ('a"b', "a\nb 1", "a\\", 'x"} 1\nfastkiq_failed_total 99\n', "Größe::Inner"):
        payload = {"class": "app.Ok", "wrapped": name, "args": [], "queue": "default", "retry": False}
        client.core.push_payload(payload)
        client.core.push_payload({**payload, "class": name})
    wait_until(lambda: redis.zcard("retry") == 5 and redis.llen("queue:default") == 0, 10, "all of them")
    wait_until(lambda: probe.value("fastkiq_processed_total") == 10, 10, "those that wait for their class, too")
    wait_until(lambda: probe.value("fastkiq_busy") == 0, 10, "the threads to turn")
    classes = {sample.labels["class"] for sample in probe.metrics()["fastkiq_job_failures"].samples}
    assert classes == {"Größe::Inner"}
    assert probe.value("fastkiq_failed_total") == 0
    assert child.stop() == 0


def test_a_job_that_holds_the_interpreter_keeps_nobody_from_an_answer(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    held = 0.7 if getattr(sys, "_is_gil_enabled", lambda: True)() else -1.0  # seconds: two beats without an answer
    child = worker_process(APP, "--health", "0")
    probe = ready(child)
    fastkiq.Client(redis_url).push("app.Hog")
    wait_until(lambda: probe.value("fastkiq_busy") == 1, 10, "the job to run")
    wait_until(lambda: probe.value("fastkiq_gil_waiting_seconds") > held, 10, "the main loop to wait")
    rounds = [[probe.get(path) for path in ("/live", "/ready", "/metrics")] for _ in range(5)]
    assert probe.value("fastkiq_gil_waiting_seconds") > held, "all the while"
    assert {answer.status for answers in rounds for answer in answers} == {200}
    for answers in zip(*rounds, strict=True):
        assert sorted(answer.seconds for answer in answers)[2] < 0.5, "the median of five"
    wait_until(lambda: probe.value("fastkiq_processed_total") == 1, 60, "its end")
    wait_until(lambda: probe.value("fastkiq_gil_waiting_seconds") < 0.5, 10, "the main loop to answer")
    assert probe.value("fastkiq_gil_wait_seconds_sum") > held
    assert child.stop() == 0


def test_without_redis_it_is_live_and_not_ready(worker_process: Start, start_server: Callable[..., Server]) -> None:
    server = start_server()
    child = worker_process(APP, "--health", "0", env={"FASTKIQ_REDIS_URL": server.url})
    probe = ready(child)
    assert probe.value("fastkiq_redis_up") == 1
    server.stop()
    wait_until(lambda: probe.get("/ready").status == 503, 10, "the lease to run out")
    assert probe.get("/ready").text == "Redis has confirmed no heartbeat within the lease of 2 s\n"
    assert probe.get("/live")[:2] == (200, "ok\n")
    wait_until(lambda: probe.value("fastkiq_redis_up") == 0, 5, "the scrape to notice")
    answer = probe.get("/metrics")
    assert answer.seconds < 5
    assert "fastkiq_queue_size" not in answer.text
    assert "fastkiq_set_size" not in answer.text
    assert probe.value("fastkiq_heartbeat_age_seconds") > 2
    assert probe.value("fastkiq_ready") == 0
    server.start()
    wait_until(lambda: probe.get("/ready").status == 200, 10, "its return")
    wait_until(lambda: probe.value("fastkiq_redis_up") == 1, 5, "the sizes again")
    server.freeze()
    try:
        time.sleep(0.6)
        answer = probe.get("/metrics")
        assert answer.seconds < 8, "a second for the old connection, another for a new one"
        assert "fastkiq_redis_up 0" in answer.text
        assert probe.get("/live").seconds < 2
    finally:
        server.thaw()
    wait_until(lambda: probe.value("fastkiq_redis_up") == 1, 10, "the sizes again")
    assert child.stop() == 0


def test_quiet_and_to_the_end_of_a_stop(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    child = worker_process(APP, "--health", "0")
    probe = ready(child)
    fastkiq.Client(redis_url).push("app.Ok", 1.5)
    wait_until(lambda: probe.value("fastkiq_busy") == 1, 10, "the job to run")
    child.signal(signal.SIGTSTP)
    wait_until(lambda: probe.get("/ready").status == 503, 10, "that it is quiet")
    assert probe.get("/ready").text == "quiet: no more jobs are taken\n"
    assert probe.get("/live").status == 200
    child.signal(signal.SIGTERM)
    child.wait_for("still running: 1 job")
    assert probe.get("/live").status == 200
    assert probe.get("/ready").status == 503
    assert probe.value("fastkiq_busy") == 1
    assert child.wait() == 0


def test_a_slow_start_is_live_and_not_ready(worker_process: Start, redis: redis_py.Redis) -> None:
    source = f"""{APP}
    @fastkiq.config.default().on("startup")
    def slow():
        while not default().core.command("EXISTS", "go"):
            time.sleep(0.01)
    """
    child = worker_process(source, "--health", "0")
    probe = Probe(child)
    assert probe.get("/live").status == 200
    assert probe.get("/ready")[:2] == (503, "starting\n")
    assert probe.value("fastkiq_ready") == 0
    redis.set("go", 1)
    wait_until(lambda: probe.get("/ready").status == 200, 10, "that it has started")
    assert child.stop() == 0


def test_inside_another_program_and_not_in_its_children(tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    """A child that outlives its parent's workers neither answers nor keeps the port."""
    port = free_port()
    (tmp_path / "program.py").write_text(
        dedent(f"""
        import os, signal, socket, time, urllib.request, fastkiq

        def ask(path):
            with urllib.request.urlopen("http://127.0.0.1:{port}" + path, timeout=5) as answer:
                return answer.read()

        with fastkiq.run_in_process(health={port}):
            assert ask("/ready") == b"ok\\n"
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            assert ask("/live") == b"ok\\n"
        try:
            socket.create_server(("127.0.0.1", {port}), reuse_port=False).close()
            print("free")
        finally:
            os.kill(child, signal.SIGKILL)
        """)
    )
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    told = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50
    )
    assert (told.stdout, told.returncode) == ("free\n", 0), told.stderr
