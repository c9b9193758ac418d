"""The harness itself: what the other tests stand on must be what it says."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

from children import Child, clean_environment
from proxy import Proxy
from servers import Server, wait_until


@pytest.mark.both_servers
def test_each_test_begins_with_an_empty_server(redis: redis_py.Redis, family: str) -> None:
    assert redis.dbsize() == 0
    redis.set("left-over", 1)
    assert ("valkey" in redis.info("server").get("server_name", "redis")) == (family == "valkey")


def test_a_unix_socket_leads_to_the_same_server(server: Server, redis: redis_py.Redis) -> None:
    redis.set("k", b"v")
    with redis_py.Redis.from_url(server.unix_url.split("?")[0]) as client:
        assert client.get("k") == b"v"


def test_a_server_of_ones_own_can_be_killed_and_restarted(start_server: Callable[..., Server]) -> None:
    own = start_server("appendonly yes", "appendfsync always")
    with own.client() as client:
        client.set("k", b"v")
    own.kill()
    own.start()
    with own.client() as client:
        assert client.get("k") == b"v"


def test_a_server_with_a_password_counts_as_started(start_server: Callable[..., Server]) -> None:
    own = start_server("requirepass secret")
    with own.client(password="secret") as client:
        assert client.ping()


def test_the_proxy_loses_a_reply_but_not_the_request(proxy: Proxy, redis: redis_py.Redis) -> None:
    with redis_py.Redis(port=proxy.port, retry=None) as client:
        client.ping()
        proxy.lose_replies()
        with pytest.raises(redis_py.ConnectionError):
            client.incr("n")
        proxy.lose_replies(False)
        assert redis.get("n") == b"1"
        assert client.ping()


def test_tls_is_verified_against_the_tests_own_authority(tls_proxy: Proxy, certificates: Path) -> None:
    with redis_py.Redis(
        host="localhost", port=tls_proxy.port, ssl=True, ssl_ca_certs=str(certificates / "ca.pem")
    ) as client:
        assert client.ping()
    with (
        redis_py.Redis(host="localhost", port=tls_proxy.port, ssl=True, retry=None) as stranger,
        pytest.raises(redis_py.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        stranger.ping()


@pytest.mark.both_servers
def test_a_sentinel_names_the_server(sentinel: Server, server: Server) -> None:
    with sentinel.client() as client:
        address = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "fastkiq-test")
    assert int(address[1]) == server.port


def test_a_child_is_read_and_ended(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "print('ready'); import time; time.sleep(60)"], tmp_path, clean_environment())
    try:
        child.wait_for("ready")
        assert child.kill() == -9
        with pytest.raises(AssertionError, match="ended with -9"):
            child.wait_for("never", timeout=5)
    finally:
        child.close()


def test_steering_variables_do_not_reach_the_tests() -> None:
    assert "REDIS_URL" not in os.environ
    assert not [name for name in clean_environment() if name.startswith("FASTKIQ_")]


def test_wait_until_gives_up_at_its_deadline() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: the impossible"):
        wait_until(lambda: False, 0.05, "the impossible")
