"""The connections of the core's client: every way to a server, who is let in, forks and threads."""

import gc
import os
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py
import trustme

from core_kit import HARD, args_of, client
from fastkiq import _core
from fastkiq.errors import (
    ConfigError,
    RedisAuthError,
    RedisConnectionError,
)
from proxy import Proxy
from servers import Server, free_port, wait_until

__all__ = ["client"]


@pytest.mark.both_servers
def test_reached_by_socket_file(unix_url: str, redis: redis_py.Redis) -> None:
    _core.Client(unix_url).push(HARD, [1])
    assert args_of(redis) == [[1]]


def test_reached_by_tls(tls_redis_url: str, tls_proxy: Proxy, redis: redis_py.Redis) -> None:
    _core.Client(tls_redis_url).push_bulk(HARD, ([number, "x" * 100] for number in range(3000)))
    assert len(args_of(redis)) == 3000
    with pytest.raises(RedisConnectionError, match=r"TLS: invalid peer certificate: UnknownIssuer"):
        _core.Client(tls_proxy.url).push(HARD, [1])
    _core.Client(f"{tls_proxy.url}?ssl_cert_reqs=none").push(HARD, [1])


def test_a_certificate_for_another_name(server: Server, redis: redis_py.Redis, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    with Proxy(server.port, context) as proxy:
        url = f"{proxy.url}?ssl_ca_certs={tmp_path}/ca.pem"
        with pytest.raises(RedisConnectionError, match=r"certificate not valid for name"):
            _core.Client(url).push(HARD, [1])
        _core.Client(f"{url}&ssl_check_hostname=false").push(HARD, [1])
        other = f"{proxy.url}?ssl_check_hostname=false"
        with pytest.raises(RedisConnectionError, match=r"UnknownIssuer"):
            _core.Client(other).push(HARD, [1])
    assert args_of(redis) == [[1]]


def test_a_master_by_sentinel(sentinel_url: str, redis: redis_py.Redis) -> None:
    _core.Client(sentinel_url).push(HARD, [1])
    assert args_of(redis) == [[1]]
    unknown = sentinel_url.replace("fastkiq-test", "nobody")
    with pytest.raises(RedisConnectionError, match=r"knows no master named nobody"):
        _core.Client(unknown).push(HARD, [1])


def test_passwords(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as admin:
        admin.execute_command(
            "ACL", "SETUSER", "ann", "on", ">hunter3", "~queue:*", "~queues", "+@all", "-time", "-select"
        )
        admin.config_set("requirepass", "hunter2")
    port = server.port
    try:
        for url in [f"redis://:hunter2@127.0.0.1:{port}", f"redis://ann:hunter3@127.0.0.1:{port}/0"]:
            _core.Client(url).push(HARD, [1])
        for url, code in [
            (f"redis://127.0.0.1:{port}", "NOAUTH"),
            (f"redis://:hunter4@127.0.0.1:{port}", "WRONGPASS"),
            (f"redis://bob:hunter4@127.0.0.1:{port}", "WRONGPASS"),
        ]:
            client = _core.Client(url)
            with pytest.raises(RedisAuthError, match=f"^{code}") as caught:
                client.push(HARD, [1])
            assert "hunter" not in f"{caught.value!r}{client!r}{client.url}"
        with pytest.raises(RedisAuthError, match=r"^NOPERM"):
            _core.Client(f"redis://ann:hunter3@127.0.0.1:{port}").push(HARD, [1], 5)
    finally:
        _core.Client(f"redis://:hunter2@127.0.0.1:{port}").command("CONFIG", "SET", "requirepass", "")


def test_a_password_nobody_asked_for(redis_url: str) -> None:
    with pytest.raises(RedisAuthError, match=r"without any password configured") as caught:
        _core.Client(redis_url.replace("redis://", "redis://:hunter2@")).push(HARD, [1])
    assert "hunter" not in str(caught.value)


def test_no_server() -> None:
    port = free_port()
    with pytest.raises(
        RedisConnectionError, match=f"^cannot connect to redis://127.0.0.1:{port}/0: Connection refused$"
    ):
        _core.Client(f"redis://:secret@127.0.0.1:{port}".replace(":secret@", "")).push(HARD, [1])
    with pytest.raises(RedisConnectionError, match=r"^cannot connect to unix:///nonexistent"):
        _core.Client("unix:///nonexistent/sock").push(HARD, [1])
    with pytest.raises(ConfigError, match=r"embedded has to be resolved"):
        _core.Client("embedded").push(HARD, [1])


def test_what_is_no_redis() -> None:
    """An HTTP server, say, on the port of the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(RedisConnectionError, match=r"not a Redis server"):
            _core.Client(f"redis://127.0.0.1:{listener.getsockname()[1]}").push(HARD, [1])
        thread.join(5)


def test_bad_settings() -> None:
    for url in ["localhost", "http://x", "redis://h/x", "redis://hunter2@h"]:
        with pytest.raises(ConfigError) as caught:
            _core.Client(url)
        assert "hunter" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"timeout"):
        _core.Client("redis://h", timeout=0)
    with pytest.raises(ConfigError, match=r"pool_size"):
        _core.Client("redis://h", pool_size=0)


def test_parse_url() -> None:
    parts = _core.parse_url("rediss://ann:s%2Fx@h:7/3?ssl_ca_certs=/ca.pem")
    assert (parts["scheme"], parts["host"], parts["port"], parts["db"]) == ("rediss", "h", 7, 3)
    assert (parts["username"], parts["password"], parts["ca_certs"]) == ("ann", "s/x", "/ca.pem")
    assert parts["safe"] == "rediss://ann:***@h:7/3"
    parts = _core.parse_url("redis+sentinel://a,b:7/main/2")
    assert (parts["service"], parts["sentinels"], parts["db"]) == ("main", [("a", 26379), ("b", 7)], 2)
    with pytest.raises(ConfigError):
        _core.parse_url("nonsense")


def test_more_threads_than_connections(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, pool_size=2)
    start = threading.Barrier(8)

    def pushes(number: int) -> None:
        start.wait(10)
        for _ in range(100):
            client.push(HARD, [number])

    threads = [threading.Thread(target=pushes, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert redis.llen("queue:critical") == 800
    assert sum(line["name"] == "fastkiq" for line in redis.client_list()) == 2


def test_a_fork_gets_connections_of_its_own(client: _core.Client, redis: redis_py.Redis) -> None:
    """Other threads push all the while, so that the fork may find any lock held."""
    stop = threading.Event()

    def pushes() -> None:
        while not stop.is_set():
            client.push(HARD, ["parent"])

    threads = [threading.Thread(target=pushes) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forking beside threads
                child = os.fork()
            if child == 0:
                # The child must not run the test runner's exit handlers.
                try:
                    client.push(HARD, ["child"])
                    client.push(HARD, ["child"])
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert args_of(redis).count(["child"]) == 20
    client.push(HARD, ["parent"])


def test_clients_leave_nothing_behind(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url)
    client.push(HARD, [1])
    del client
    gc.collect()
    wait_until(lambda: not any(line["name"] == "fastkiq" for line in redis.client_list()), 5)
