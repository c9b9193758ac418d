"""The server behind `--health`: bad requests, silent and many connections, addresses and ports."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from textwrap import dedent

import pytest
import redis as redis_py

import children
import fastkiq
from children import Child, clean_environment
from health_kit import APP, Probe, Start, ready
from servers import FAMILIES, Server, binary, free_port, wait_until


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
