"""The delaying proxy: every byte, in order, later; and nothing of it left behind."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import redis as redis_py

from children import clean_environment
from fastkiq.bench.proxy import Proxy
from servers import Server, wait_until


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends back what it gets, and says when the client has ended; its port."""

    def serve(line: socket.socket) -> None:
        with line:
            while data := line.recv(65_536):
                line.sendall(data)
            line.sendall(b"END")

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def received(line: socket.socket) -> bytes:
    parts = []
    while data := line.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


@pytest.mark.parametrize("delay_ms", [0, 3])
def test_every_byte_comes_through_and_each_half_ends_by_itself(delay_ms: float) -> None:
    sent = os.urandom(1 << 20) * 20
    with echo() as port, Proxy(("127.0.0.1", port), delay_ms) as proxy:
        with ExitStack() as stack:
            lines = [stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 10)) for _ in range(3)]
            for line in lines:

                def send(line: socket.socket = line) -> None:
                    line.sendall(sent)
                    line.shutdown(socket.SHUT_WR)

                threading.Thread(target=send, daemon=True).start()
            assert [received(line) == sent + b"END" for line in lines] == [True] * 3


def test_a_round_trip_takes_the_delay_longer_and_many_at_once_not_longer_than_one() -> None:
    with echo() as port, Proxy(("127.0.0.1", port), 100) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as line:
            began = time.monotonic()
            line.sendall(b"x")
            assert line.recv(1) == b"x"
            assert time.monotonic() - began >= 0.1
            began = time.monotonic()
            for _ in range(100):
                line.sendall(b"y" * 1000)
                time.sleep(0.0005)
            line.shutdown(socket.SHUT_WR)
            assert len(received(line)) == 100_003
            assert 0.1 <= time.monotonic() - began < 5, "a hundred in turn would take ten seconds"


def test_before_a_redis_on_a_port_and_on_a_unix_socket(server: Server) -> None:
    for to in (("127.0.0.1", server.port), str(server.socket)):
        with Proxy(to, 1) as proxy, redis_py.Redis(port=proxy.port) as client:
            client.set("big", b"z" * 3_000_000)
            assert client.get("big") == b"z" * 3_000_000


def test_when_the_client_goes_the_server_hears_of_it(server: Server) -> None:
    with server.client() as direct, Proxy(("127.0.0.1", server.port), 1) as proxy:
        before = len(direct.client_list())
        with redis_py.Redis(port=proxy.port) as client:
            client.ping()
            assert len(direct.client_list()) == before + 1
        wait_until(lambda: len(direct.client_list()) == before, 5, "the proxied connection to end")


def test_when_the_server_is_away_lines_are_closed_and_the_proxy_lives() -> None:
    with echo() as port:
        pass
    with Proxy(("127.0.0.1", port)) as proxy:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", proxy.port), 5) as line:
                assert line.recv(1) == b""


def test_it_ends_with_the_block_and_with_its_parent() -> None:
    with Proxy(("127.0.0.1", 1)) as proxy:
        pid = proxy.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    code = """
        import os
        from fastkiq.bench.proxy import Proxy
        with Proxy(("127.0.0.1", 1)) as proxy:
            print(proxy.pid, flush=True)
            os.kill(os.getpid(), 9)
    """
    dead = subprocess.run(
        [sys.executable, "-c", "if True:" + code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    wait_until(lambda: not running(int(dead.stdout)), 10, "the proxy of a killed parent to end")


def running(pid: int) -> bool:
    """A zombie that nobody reaps has ended too."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--to", "nowhere"], "HOST:PORT"), (["--to", "x:1", "--delay", "-1"], "--delay"), (["--delay", "1"], "--to")],
)
def test_mistakes_are_said(arguments: list[str], says: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "fastkiq.bench.proxy", *arguments],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert answer.returncode == 2
    assert says in answer.stderr
