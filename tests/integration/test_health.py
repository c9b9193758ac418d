"""`--health` of real processes: what supervisors and Prometheus are told, whatever jobs, Redis and clients do."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest
import redis as redis_py
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import children
import fastkiq
from children import Child, clean_environment
from servers import FAMILIES, Server, binary, free_port, wait_until

Start = Callable[..., Child]

APP = """
    import time, fastkiq
    from fastkiq.client import default

    fastkiq.configure(lease=2, concurrency=3)

    class Ok(fastkiq.Worker):
        def perform(self, seconds=0.0):
            time.sleep(seconds)

    class Bad(fastkiq.Worker):
        def perform(self):
            raise ValueError("no")

    class Async(fastkiq.Worker):
        async def perform(self): ...

    class Hog(fastkiq.Worker):
        "Holds the interpreter, without a look at anything else."
        def perform(self):
            sum(range(2 * 10**8))
"""


class Answer(NamedTuple):
    status: int
    text: str
    content_type: str
    seconds: float


class Probe:
    """A supervisor of one process."""

    def __init__(self, child: Child) -> None:
        text = child.wait_for(lambda text: re.search(r"health: http://\S+/live", text))
        found = re.search(r"health: http://(.+):(\d+)/live", text)
        assert found is not None
        self.host, self.port = found[1].strip("[]"), int(found[2])

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.headers["Connection"] == "close"
        return Answer(response.status, text, response.headers["Content-Type"], time.monotonic() - began)

    def raw(self, request: bytes) -> bytes:
        """The whole answer to these bytes."""
        with socket.create_connection((self.host, self.port), timeout=10) as line:
            line.sendall(request)
            answer = b""
            while more := line.recv(65536):
                answer += more
        return answer

    def metrics(self) -> dict[str, Metric]:
        answer = self.get("/metrics")
        assert answer.status == 200
        assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
        families = list(text_string_to_metric_families(answer.text))
        assert len({family.name for family in families}) == len(families)
        assert all(family.documentation and family.type != "unknown" for family in families)
        return {family.name: family for family in families}

    def value(self, name: str, **labels: str) -> float:
        """Of the one sample of that name with these labels."""
        samples = [sample for family in self.metrics().values() for sample in family.samples]
        (value,) = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
        return float(value)


def ready(child: Child) -> Probe:
    child.wait_for("ready: fastkiq")
    return Probe(child)


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


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET /\x00live HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET //live HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /live/../live HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"DELETE /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /live HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 403),
        (b"GET /live HTTP/1.1\r\nHost: 127.0.0.1.rebound.example:80\r\n\r\n", 403),
        (b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (b"GET /live HTTP/1.1\r\nHost: localhost\r\n" + b"X: x\r\n" * 100 + b"\r\n", 431),
        (b"GET /live HTTP/1.1\r\nHost: localhost\r\nX-" + b"x" * 100_000, 431),
    ],
)
def test_bad_requests(probed: Probe, request_: bytes, status: int) -> None:
    assert probed.raw(request_).split(b" ", 2)[1] == b"%d" % status
    assert probed.get("/live").status == 200


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """Of one process, with a server of its own, for all the tests that ask no more of it."""
    folder = tmp_path_factory.mktemp("probed")
    (folder / "app.py").write_text(dedent(APP))
    server = Server(next(family for family in FAMILIES if binary(family)), folder / "server").start()
    environment = clean_environment({"FASTKIQ_REDIS_URL": server.url})
    child = Child(children.fastkiq("process", "app.py", "--health", "127.0.0.1:0"), folder, environment)
    try:
        yield ready(child)
    finally:
        child.close()
        server.stop()


def test_who_says_nothing_has_two_seconds(probed: Probe) -> None:
    lines = [socket.create_connection((probed.host, probed.port), timeout=10) for _ in range(16)]
    began = time.monotonic()
    try:
        lines[0].sendall(b"GET /live HTTP/1.1\r\n")
        while time.monotonic() - began < 1.5:  # a byte now and then does not extend it
            lines[0].sendall(b"X")
            time.sleep(0.1)
        for line in lines:
            assert line.recv(100).startswith(b"HTTP/1.1 408 ")
        assert 1.5 < time.monotonic() - began < 8, "two seconds, on a loaded machine"
    finally:
        for line in lines:
            line.close()


def test_who_holds_connections_without_a_word_keeps_nobody_out(probed: Probe) -> None:
    silent = [socket.create_connection((probed.host, probed.port), timeout=10) for _ in range(50)]
    try:
        for line in silent[::2]:
            with suppress(OSError):  # it may have been closed for a later one
                line.sendall(b"GET /live HTTP/1.1\r\nHost: ")
        assert [probed.get("/live").status for _ in range(5)] == [200] * 5
        assert probed.get("/live").seconds < 1.5, "before their two seconds are over"
    finally:
        for line in silent:
            line.close()


def test_a_hundred_at_once(probed: Probe) -> None:
    """Those that find a place are answered, whole; the others are closed; and then all is as before."""

    def ask(number: int) -> bytes:
        try:
            return probed.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except ConnectionResetError:
            return b""

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(100)))
    whole = [answer for answer in answers if answer]
    assert len(whole) >= 16
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\n") for answer in whole)
    wait_until(lambda: probed.get("/live").status == 200, 10, "a place")
    assert [probed.get("/live").status for _ in range(100)] == [200] * 100


def test_another_host_than_loopback_is_served_to_any_name(worker_process: Start) -> None:
    child = worker_process(APP, "--health", "0.0.0.0:0")
    probe = ready(child)
    probe.host = "127.0.0.1"
    assert probe.get("/live", Host="worker-3.internal:9000").status == 200
    assert child.stop() == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_ipv6(worker_process: Start) -> None:
    child = worker_process(APP, "--health", "[::1]:0")
    probe = ready(child)
    assert probe.host == "::1"
    assert probe.get("/live").status == 200
    assert probe.get("/live", Host="rebound.example").status == 403
    assert child.stop() == 0


def test_a_port_in_use_is_said_before_anything_begins(worker_process: Start, redis: redis_py.Redis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = worker_process(APP, "--health", str(port))
        assert child.wait() == 1
    assert re.search(rf"fastkiq: --health: no health at 127.0.0.1:{port}: .*[Aa]ddress.* in use", child.output())
    assert redis.zcard("fastkiq:alive") == 0


def test_what_is_no_address(worker_process: Start) -> None:
    child = worker_process(APP, "--health", "localhost")
    assert child.wait() == 2
    assert "--health: health must be a port, HOST:PORT, or [IPv6]:PORT, not 'localhost'" in child.output()


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


def test_the_port_is_free_at_once_for_a_successor(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """Though a job's forked child outlives the killed process."""
    source = f"""{APP}
    import os

    class Fork(fastkiq.Worker):
        def perform(self):
            if os.fork() == 0:
                default().core.command("SET", "forked", os.getpid())
                time.sleep(60)
                os._exit(0)
    """
    port = free_port()
    first = worker_process(source, "--health", str(port))
    probe = ready(first)
    fastkiq.Client(redis_url).push("app.Fork")
    pid = int(wait_until(lambda: redis.get("forked"), 15, "the child"))
    try:
        assert probe.get("/live").status == 200
        first.kill()
        second = worker_process(APP, "--health", str(port), name="second")
        assert ready(second).port == port
        assert probe.get("/live").status == 200
        assert second.stop() == 0
    finally:
        os.kill(pid, signal.SIGKILL)
