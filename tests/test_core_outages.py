"""What the core's client says and keeps when Redis is away, cut off, full or a replica."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
import redis as redis_py

from core_kit import HARD, args_of, client, proxied, stored
from fastkiq import _core
from fastkiq.errors import (
    BufferFull,
    PushUncertain,
    RedisConnectionError,
    RedisOutOfMemoryError,
    RedisReadOnlyError,
    RedisReplyError,
)
from proxy import Proxy
from servers import Server, free_port, wait_until

__all__ = ["client", "proxied"]


def test_an_idle_connection_that_was_cut_is_noticed(proxied: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    proxied.push(HARD, [1])
    for number in range(2, 5):
        proxy.cut()
        proxied.push(HARD, [number])
    assert args_of(redis) == [[1], [2], [3], [4]]


def test_a_lost_reply_is_said_and_never_repeated(proxied: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    proxied.push(HARD, [1])
    proxy.lose_replies()
    with pytest.raises(PushUncertain, match=r"may be enqueued or not") as caught:
        proxied.push(HARD, [2])
    proxy.lose_replies(False)
    wait_until(lambda: redis.llen("queue:critical") == 2, 5)
    assert stored(redis)[1]["jid"] == caught.value.jid
    assert list(caught.value.uncertain) == [caught.value.jid]
    proxied.push(HARD, [3])
    assert args_of(redis) == [[1], [2], [3]]


def test_a_server_that_says_nothing_is_not_waited_for_long(proxied: _core.Client, proxy: Proxy) -> None:
    proxied.push(HARD, [1])
    proxy.stall()
    begun = time.monotonic()
    with pytest.raises(PushUncertain, match=r"no reply within 1s"):
        proxied.push(HARD, [2])
    assert time.monotonic() - begun < 4
    proxy.stall(False)


def let_through(redis: redis_py.Redis, jobs: int) -> None:
    """The batch under way is in Redis, and its reply, which nothing tells of, has had time to come back."""
    wait_until(lambda: redis.llen("queue:critical") == jobs, 5)
    time.sleep(0.1)


def test_bulk_accounts_for_every_row(proxied: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    def rows() -> Iterator[list[int]]:
        for number in range(10):
            if number == 6:
                let_through(redis, 6)
                proxy.lose_replies()
            yield [number]

    with pytest.raises(PushUncertain, match=r"3 jobs may be enqueued or not") as caught:
        proxied.push_bulk(HARD, rows(), None, 3)
    proxy.lose_replies(False)
    error = caught.value
    wait_until(lambda: redis.llen("queue:critical") == 9, 5)
    jids = [payload["jid"] for payload in stored(redis)]
    assert (list(error.pushed), list(error.uncertain)) == (jids[:6], jids[6:])
    assert list(error.rest) == [[9]]


def test_bulk_while_away(proxied: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    def rows() -> Iterator[list[int]]:
        for number in range(5):
            if number == 2:
                let_through(redis, 2)
                proxy.refuse()
                proxy.cut()
            yield [number]

    with pytest.raises(RedisConnectionError) as caught:
        proxied.push_bulk(HARD, rows(), None, 2)
    assert (len(caught.value.pushed), len(caught.value.uncertain)) == (2, 0)
    assert list(caught.value.rest) == [[2], [3], [4]]


def test_a_replica_refuses(start_server: Callable[..., Server], redis_url: str) -> None:
    replica = start_server(f"replicaof 127.0.0.1 {free_port()}")
    client = _core.Client(replica.url)
    with pytest.raises(RedisReadOnlyError, match=r"^READONLY"):
        client.push(HARD, [1])
    with replica.client() as admin:
        admin.replicaof("NO", "ONE")
    client.push(HARD, [1])


def test_a_full_server_refuses(start_server: Callable[..., Server]) -> None:
    full = start_server("maxmemory 1", "maxmemory-policy noeviction")
    client = _core.Client(full.url)
    with pytest.raises(RedisOutOfMemoryError, match=r"^OOM") as caught:
        client.push_bulk(HARD, [[1], [2], [3]], None, 2)
    assert list(caught.value.rest) == [[1], [2], [3]]
    with full.client() as admin:
        admin.config_set("maxmemory", 0)
        client.push(HARD, [4])
        assert args_of(admin) == [[4]]


def test_half_a_refusal(client: _core.Client, redis: redis_py.Redis) -> None:
    """SADD is fine, one of the pushes is not."""
    redis.set("queue:b", "not a list")
    payloads = [{"retry": 1, "queue": queue, "args": [], "class": "A"} for queue in ("a", "b", "a")]
    with pytest.raises(RedisReplyError, match=r"^WRONGTYPE") as caught:
        client.push_payloads(payloads)
    assert [payload["jid"] for payload in stored(redis, "a")] == list(caught.value.pushed)
    assert list(caught.value.rest) == [payloads[1]]
    client.push(HARD, [1])
    assert args_of(redis) == [[1]]


def test_a_refused_schedule_leaves_the_connection_in_step(client: _core.Client, redis: redis_py.Redis) -> None:
    redis.set("schedule", "not a set")
    with pytest.raises(RedisReplyError, match=r"^WRONGTYPE"):
        client.push(HARD, [1], 0.5)
    assert client.command("ECHO", "x") == b"x"


# The outage buffer


@pytest.fixture
def buffered(proxy: Proxy) -> Iterator[_core.Client]:
    made = _core.Client(proxy.url, connect_timeout=2, timeout=1, buffer=5)
    yield made
    made.close()


def away(proxy: Proxy) -> None:
    proxy.refuse()
    proxy.cut()


def test_an_outage_is_bridged_in_order(buffered: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    buffered.push(HARD, [0])
    away(proxy)
    jids = [buffered.push(HARD, [number]) for number in (1, 2)]
    jids += buffered.push_bulk(HARD, [[3], [4]])
    assert buffered.buffered == 4
    proxy.refuse(False)
    assert buffered.flush_buffer() == 4
    buffered.push(HARD, [5])
    assert args_of(redis) == [[number] for number in range(6)]
    assert [payload["jid"] for payload in stored(redis)][1:5] == jids
    assert buffered.buffered == 0


def test_the_next_push_takes_along_what_waits(buffered: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    away(proxy)
    buffered.push(HARD, [1])
    proxy.refuse(False)

    def pushed() -> bool:
        with contextlib.suppress(BufferFull):  # for half a second after an outage nothing is tried
            buffered.push(HARD, [2])
        return buffered.buffered == 0

    wait_until(pushed, 10)
    assert args_of(redis)[0] == [1]


def test_a_full_buffer_refuses(buffered: _core.Client, proxy: Proxy, redis: redis_py.Redis) -> None:
    away(proxy)
    buffered.push_bulk(HARD, [[1], [2], [3], [4]])
    with pytest.raises(BufferFull, match=r"outage buffer \(5 jobs\) has no room") as caught:
        buffered.push_bulk(HARD, [[5], [6], [7]])
    assert list(caught.value.rest) == [[5], [6], [7]]
    buffered.push(HARD, [5])
    with pytest.raises(BufferFull):
        buffered.push(HARD, [6])
    assert buffered.buffered == 5
    with pytest.raises(RedisConnectionError):
        buffered.flush_buffer()
    assert buffered.buffered == 5
    proxy.refuse(False)
    assert buffered.flush_buffer() == 5
    assert args_of(redis) == [[1], [2], [3], [4], [5]]


def test_the_buffer_never_holds_what_may_have_arrived(
    buffered: _core.Client, proxy: Proxy, redis: redis_py.Redis
) -> None:
    buffered.push(HARD, [1])
    proxy.lose_replies()
    with pytest.raises(PushUncertain):
        buffered.push(HARD, [2])
    assert buffered.buffered == 0


def test_buffered_jobs_whose_reply_was_lost_are_named(
    start_server: Callable[..., Server], redis: redis_py.Redis
) -> None:
    server = start_server()
    with Proxy(server.port) as proxy, server.client() as admin:
        client = _core.Client(proxy.url, connect_timeout=2, timeout=1, buffer=5)
        proxy.refuse()
        jid = client.push(HARD, [1])
        proxy.refuse(False)
        # The handshake has to pass, the push's reply must not: the server is paused for writes alone.
        admin.execute_command("CLIENT", "PAUSE", 20_000, "WRITE")
        with pytest.raises(PushUncertain, match=r"outage buffer") as caught:
            client.flush_buffer()
        assert (list(caught.value.uncertain), client.buffered) == ([jid], 0)
        admin.execute_command("CLIENT", "UNPAUSE")
        client.close()
