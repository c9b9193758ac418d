"""The core's client against real servers: what is enqueued, and what is said when it could not be."""

import contextlib
import gc
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
import trustme

from fastkiq import _core
from fastkiq.errors import (
    ArgumentError,
    BufferFull,
    ConfigError,
    PushUncertain,
    RedisAuthError,
    RedisConnectionError,
    RedisOutOfMemoryError,
    RedisReadOnlyError,
    RedisReplyError,
)
from proxy import Proxy
from servers import Server, free_port, wait_until

HARD = _core.Template("HardWorker", {"retry": 5, "queue": "critical", "tags": ["a"]})


@pytest.fixture
def client(redis_url: str) -> Iterator[_core.Client]:
    made = _core.Client(redis_url)
    yield made
    made.close()


@pytest.fixture
def proxied(proxy: Proxy) -> Iterator[_core.Client]:
    made = _core.Client(proxy.url, connect_timeout=2, timeout=1)
    yield made
    made.close()


def stored(redis: redis_py.Redis, queue: str = "critical") -> list[dict[str, Any]]:
    """What lies in a queue, oldest first."""
    return [json.loads(payload) for payload in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


def scheduled(redis: redis_py.Redis) -> list[tuple[dict[str, Any], float]]:
    return [(json.loads(payload), score) for payload, score in redis.zrange("schedule", 0, -1, withscores=True)]


def args_of(redis: redis_py.Redis, queue: str = "critical") -> list[Any]:
    return [payload["args"] for payload in stored(redis, queue)]


@pytest.mark.both_servers
def test_a_push_in_sidekiq_s_bytes(client: _core.Client, redis: redis_py.Redis) -> None:
    before = time.time_ns() // 1_000_000
    jid = client.push(HARD, (1, 2.5, "é", None, True, {"a": [1]}))
    after = time.time_ns() // 1_000_000
    (raw,) = redis.lrange("queue:critical", 0, -1)
    created = json.loads(raw)["created_at"]
    assert before <= created <= after
    assert raw.decode() == (
        f'{{"retry":5,"queue":"critical","tags":["a"],"args":[1,2.5,"é",null,true,{{"a":[1]}}],"class":"HardWorker",'
        f'"jid":"{jid}","created_at":{created},"enqueued_at":{created}}}'
    )
    assert len(jid) == 24
    assert set(jid) <= set("0123456789abcdef")
    assert redis.smembers("queues") == {b"critical"}


@pytest.mark.both_servers
def test_delays_count_from_redis_s_clock(client: _core.Client, redis: redis_py.Redis) -> None:
    seconds, micros = redis.time()
    client.push(HARD, [1], 60)
    client.push(HARD, [2], 0.25)
    client.push(HARD, [3], 0)
    client.push(HARD, [4], -5.0)
    (soon, soon_at), (later, later_at) = scheduled(redis)
    now = seconds + micros / 1e6
    assert now + 0.25 - 0.05 < soon_at < now + 2
    assert now + 60 - 0.05 < later_at < now + 62
    assert "enqueued_at" not in soon
    assert "enqueued_at" not in later
    assert args_of(redis) == [[3], [4]]


def test_an_absolute_time_is_taken_as_it_is(client: _core.Client, redis: redis_py.Redis) -> None:
    at = int(time.time()) + 1000
    client.push(HARD, [1], None, at)
    client.push(HARD, [2], None, at + 0.123456)
    client.push(HARD, [3], None, time.time() - 1)
    assert [(payload["args"], score) for payload, score in scheduled(redis)] == [([1], at), ([2], at + 0.123456)]
    assert args_of(redis) == [[3]]


def test_what_is_due_at_once_is_announced(client: _core.Client, redis: redis_py.Redis) -> None:
    with redis.pubsub() as channel:
        channel.subscribe("fastkiq:scheduled")
        assert channel.get_message(timeout=5)
        client.push(HARD, [1], 30)
        client.push(HARD, [2], 0.5)
        client.push_bulk(HARD, [[3], [4]], [time.time() + 0.9, time.time() + 40])
        heard = [channel.get_message(timeout=5), channel.get_message(timeout=5)]
        assert channel.get_message(timeout=0) is None
    scores = [score for payload, score in scheduled(redis) if payload["args"] in ([2], [3])]
    assert [float(message["data"]) for message in heard if message] == scores


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bob",), r"^args: str; pass a list or tuple"),
        (([{"when": {1}}],), r'^args\[0\]\["when"\]: set'),
        (([1], "soon"), r"^delay: str; pass seconds"),
        (([1], True), r"^delay: bool; pass seconds"),
        (([1], float("nan")), r"^delay: NaN, out of range"),
        (([1], None, 1e300), r"^at: .*, out of range"),
        (([1], 1, 1), r"^at: given beside delay"),
    ],
)
def test_bad_pushes_are_refused_at_the_call(
    client: _core.Client, redis: redis_py.Redis, arguments: Any, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        client.push(HARD, *arguments)
    assert redis.dbsize() == 0


def test_payloads_have_a_limit_and_large_ones_a_warning(client: _core.Client, redis: redis_py.Redis) -> None:
    small = _core.Template("A", {"retry": True, "queue": "q"}, 200)
    client.push(small, ["x" * 50])
    with pytest.raises(ArgumentError, match=r"^args: a payload of \d+ bytes; the limit is 200"):
        client.push(small, ["x" * 200])
    with pytest.warns(UserWarning, match=r"payload of 1311"):
        client.push(HARD, ["x" * 131_000])
    with pytest.raises(ArgumentError, match=r"^payload: a payload of"):
        client.push_payload({"class": "A", "queue": "q", "retry": 1, "args": ["x" * 8_388_608]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": "q"}, "retry"),
        ({"retry": 1}, "queue"),
        ({"retry": 1, "queue": ""}, "queue"),
        ({"retry": 1, "queue": 5}, "queue"),
        ({"retry": 1, "queue": "q", "jid": "x"}, "jid"),
        ({"retry": 1, "queue": "q", "tags": {1}}, "tags"),
    ],
)
def test_templates_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=rf'^options\["{message}"\]'):
        _core.Template("A", options)


@pytest.mark.both_servers
def test_bulk_is_lazy_and_in_order(client: _core.Client, redis: redis_py.Redis) -> None:
    seen: list[int] = []

    def rows() -> Iterator[list[int]]:
        for number in range(2500):
            if number % 1000 == 0:
                seen.append(redis.llen("queue:critical"))
            yield [number]

    jids = client.push_bulk(HARD, rows())
    # While one batch is under way the next one is taken from the iterable, and no more.
    assert all(1000 * (at - 1) <= length <= 1000 * at for at, length in enumerate(seen)), seen
    assert args_of(redis) == [[number] for number in range(2500)]
    assert [payload["jid"] for payload in stored(redis)] == list(jids)


def test_jids_are_a_sequence(client: _core.Client) -> None:
    jids = client.push_bulk(HARD, [[number] for number in range(10)])
    listed = list(jids)
    assert len(jids) == len(set(listed)) == 10
    assert (jids[0], jids[-1], jids[2:5], jids[::-3]) == (listed[0], listed[-1], listed[2:5], listed[::-3])
    assert listed[3] in jids
    assert "x" not in jids
    assert 5 not in jids
    assert jids[5:5] == []
    for index in (10, -11):
        with pytest.raises(IndexError):
            jids[index]


def test_the_rows_of_a_bulk_push_may_push_jobs_of_their_own(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, pool_size=1)

    def rows() -> Iterator[list[int]]:
        for number in range(2500):
            if number % 500 == 0:
                client.push(HARD, [-number])
            yield [number]

    client.push_bulk(HARD, rows())
    assert redis.llen("queue:critical") == 2505


def test_bulk_at_one_time_or_each_at_its_own(client: _core.Client, redis: redis_py.Redis) -> None:
    at = time.time() + 500
    client.push_bulk(HARD, [[1], [2]], at)
    client.push_bulk(HARD, iter([[3], [4]]), iter([at + 1, time.time() - 1]))
    assert sorted(payload["args"] for payload, _ in scheduled(redis)) == [[1], [2], [3]]
    assert args_of(redis) == [[4]]


def test_a_bad_row_says_what_came_before(client: _core.Client, redis: redis_py.Redis) -> None:
    rows = iter([[1], [2], [3], [{4}], [5]])
    with pytest.raises(ArgumentError, match=r"^rows\[3\]\[0\]: set") as caught:
        client.push_bulk(HARD, rows, None, 2)
    error: Any = caught.value
    assert args_of(redis) == [[1], [2]]
    assert [payload["jid"] for payload in stored(redis)] == list(error.pushed)
    assert list(error.rest) == [[3], [{4}], [5]]
    assert "2 jobs had already been enqueued" in error.__notes__[0]


def test_an_iterable_that_fails_says_what_came_before(client: _core.Client, redis: redis_py.Redis) -> None:
    def rows() -> Iterator[list[int]]:
        yield from ([1], [2], [3])
        raise LookupError("the source is dry")

    with pytest.raises(LookupError, match=r"dry") as caught:
        client.push_bulk(HARD, rows(), None, 2)
    error: Any = caught.value
    assert args_of(redis) == [[1], [2]]
    assert (len(error.pushed), list(error.rest)) == (2, [[3]])


def test_too_few_times(client: _core.Client, redis: redis_py.Redis) -> None:
    with pytest.raises(ArgumentError, match=r"^at: only 1 of them") as caught:
        client.push_bulk(HARD, [[1], [2]], [time.time() + 5])
    error: Any = caught.value
    assert list(error.rest) == [[1], [2]]
    assert len(list(error.rest_at)) == 1
    assert redis.dbsize() == 0


def test_a_whole_payload(client: _core.Client, redis: redis_py.Redis) -> None:
    payload = {"retry": True, "queue": "q", "args": (1, "x"), "class": "A", "custom": {"a": 1}}
    jid = client.push_payload(payload)
    assert client.push_payload(payload | {"jid": "my own", "created_at": 5, "enqueued_at": 6}) == "my own"
    at = time.time() + 50
    late = client.push_payload(payload | {"at": at})
    client.push_payload(payload | {"at": time.time() - 50, "queue": "r"})
    first, second = stored(redis, "q")
    assert list(first) == ["retry", "queue", "args", "class", "custom", "jid", "created_at", "enqueued_at"]
    assert (first["jid"], first["args"], first["enqueued_at"]) == (jid, [1, "x"], first["created_at"])
    assert (second["jid"], second["created_at"], second["enqueued_at"] > 6) == ("my own", 5, True)
    ((waiting, score),) = scheduled(redis)
    assert (waiting["jid"], score) == (late, pytest.approx(at, abs=1e-5))
    assert not {"at", "enqueued_at"} & waiting.keys()
    assert len(stored(redis, "r")) == 1
    assert "jid" not in payload


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queue": None}, r'^payload\["queue"\]'),
        ({"class": ""}, r'^payload\["class"\]'),
        ({"args": "bob"}, r'^payload\["args"\]: str'),
        ({"args": [{1}]}, r'^payload\["args"\]\[0\]: set'),
        ({"at": "soon"}, r'^payload\["at"\]: str'),
        ({"jid": 5}, r'^payload\["jid"\]'),
        ({"tags": [{1}]}, r'^payload\["tags"\]\[0\]: set'),
        ({1: 2}, r"^payload: a key that is no str"),
    ],
)
def test_bad_payloads_are_refused(client: _core.Client, redis: redis_py.Redis, change: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        client.push_payload({"retry": True, "queue": "q", "args": [], "class": "A"} | change)
    assert redis.dbsize() == 0


def test_many_payloads_to_many_places(client: _core.Client, redis: redis_py.Redis) -> None:
    def payload(queue: str, number: int, **extra: Any) -> dict[str, Any]:
        return {"retry": True, "queue": queue, "args": [number], "class": "A", **extra}

    at = time.time() + 100
    mixed = [payload("a", 1), payload("b", 2, jid="own"), payload("a", 3, at=at), payload("a", 4)]
    jids = client.push_payloads(iter(mixed))
    assert jids[1] == "own"
    assert "own" in jids
    assert args_of(redis, "a") == [[1], [4]]
    assert args_of(redis, "b") == [[2]]
    assert [(job["args"], job["jid"]) for job, _ in scheduled(redis)] == [([3], jids[2])]
    assert redis.smembers("queues") == {b"a", b"b"}
    with pytest.raises(ArgumentError, match=r"^payloads\[1\]: not a dict"):
        client.push_payloads([payload("a", 1), 5])


def test_commands(client: _core.Client) -> None:
    assert client.command("SET", b"k", 5) == "OK"
    assert client.command("GET", "k") == b"5"
    assert client.command("INCRBYFLOAT", "k", 0.5) == b"5.5"
    assert client.command("GET", "absent") is None
    assert client.command("EVAL", "return {1, {'a'}, false}", 0) == [1, [b"a"], None]
    with pytest.raises(RedisReplyError, match=r"^ERR unknown command"):
        client.command("NONSENSE")
    with pytest.raises(RedisReplyError, match=r"^WRONGTYPE"):
        client.command("LPUSH", "k", 1)
    with pytest.raises(ArgumentError, match=r"^words\[1\]: list"):
        client.command("GET", [])
    with pytest.raises(ArgumentError, match=r"^words: empty"):
        client.command()


def test_large_replies(client: _core.Client, redis: redis_py.Redis) -> None:
    redis.rpush("list", *[b"x" * 1000] * 5000)
    assert client.command("LRANGE", "list", 0, -1) == [b"x" * 1000] * 5000
    redis.set("big", b"y" * 20_000_000)
    assert client.command("GET", "big") == b"y" * 20_000_000


# Connections


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


# What goes wrong on the way


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


def test_clients_leave_nothing_behind(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url)
    client.push(HARD, [1])
    del client
    gc.collect()
    wait_until(lambda: not any(line["name"] == "fastkiq" for line in redis.client_list()), 5)


# The small functions


def test_raise_in_thread() -> None:
    begun, caught = threading.Event(), threading.Event()

    class Stop(BaseException):
        pass

    def spin() -> None:
        try:
            begun.set()
            while not caught.wait(0.01):
                pass
        except Stop:
            caught.set()

    thread = threading.Thread(target=spin)
    thread.start()
    assert begun.wait(5)
    assert thread.ident is not None
    assert _core.raise_in_thread(thread.ident, Stop)
    thread.join(5)
    assert caught.is_set()
    assert not _core.raise_in_thread(1, Stop)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the command line elsewhere")
def test_blank_title() -> None:
    program = """
import pathlib, sys
from fastkiq import _core
shown = lambda: pathlib.Path("/proc/self/cmdline").read_bytes()
assert b"hunter2" in shown()
assert _core.blank_title("hunter2")
assert b"hunter2" not in shown() and b"redis://:*******@h" in shown(), shown()
assert sys.argv[1] == "redis://:hunter2@h"
assert not _core.blank_title("hunter2")
assert not _core.blank_title("")
"""
    subprocess.run([sys.executable, "-c", program, "redis://:hunter2@h"], check=True, timeout=30)
