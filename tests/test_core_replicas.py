"""The client and the replicas: pushes that wait for them, and the way to the primary that the Sentinels name."""

import threading
import time
from collections.abc import Callable

import pytest
import redis as redis_py

from conftest import SERVICE
from fastkiq import _core
from fastkiq.errors import PushUncertain, RedisConnectionError, RedisNoReplicasError
from servers import Server, wait_until

HARD = _core.Template("HardWorker", {"retry": 5, "queue": "critical"})


def link_is_up(replica: redis_py.Redis) -> bool:
    return replica.info("replication").get("master_link_status") == "up"


@pytest.fixture
def replica(start_server: Callable[..., Server], server: Server) -> Server:
    following = start_server(f"replicaof 127.0.0.1 {server.port}", "repl-ping-replica-period 1")
    with following.client() as client:
        wait_until(lambda: link_is_up(client), 20, "the replica")
    return following


@pytest.mark.both_servers
def test_a_push_waits_until_a_replica_has_it(redis_url: str, replica: Server) -> None:
    client = _core.Client(redis_url, wait_replicas=1)
    with replica.client() as copy:
        for number in range(1, 50):
            client.push(HARD, [number])
            assert copy.llen("queue:critical") == number
        client.push(HARD, [50], 60.0)
        assert copy.zcard("schedule") == 1
        client.push_bulk(HARD, [[number] for number in range(2500)])
        assert copy.llen("queue:critical") == 49 + 2500


def test_too_few_replicas_leave_a_push_uncertain(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, wait_replicas=1, timeout=0.2)
    said = r"^the primary has the job, but only 0 of 1 replicas confirmed it within 0.1 s; job [0-9a-f]{24} may be"
    with pytest.raises(PushUncertain, match=said) as raised:
        client.push(HARD, [1])
    assert redis.llen("queue:critical") == 1
    assert len(raised.value.jid) == 24  # type: ignore[attr-defined]
    with pytest.raises(PushUncertain) as raised:
        client.push_bulk(HARD, [[2], [3]], None, 1)
    assert (len(raised.value.uncertain), list(raised.value.rest)) == (1, [[3]])  # type: ignore[attr-defined]
    assert len({line["id"] for line in redis.client_list() if line["name"] == "fastkiq"}) == 1, "the connection is kept"


def test_the_shortest_patience_with_replicas_ends(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, wait_replicas=1, timeout=0.0015)  # half of it is no whole millisecond
    since = time.monotonic()
    with pytest.raises((PushUncertain, RedisConnectionError)):
        client.push(HARD, [1])
    assert time.monotonic() - since < 1
    assert not [line for line in redis.client_list() if line["cmd"] == "wait" and "b" in line["flags"]]


def test_a_slow_confirmation_is_no_step_of_the_clock(redis_url: str, redis: redis_py.Redis) -> None:
    client = _core.Client(redis_url, wait_replicas=1, timeout=1.6)
    for number in range(2):
        with pytest.raises(PushUncertain):
            client.push(HARD, [number], 60.0)
        time.sleep(5.1 if not number else 0)  # Redis's clock is asked again after 5 s
    calls = redis.info("commandstats")["cmdstat_zadd"]["calls"]
    with pytest.raises(PushUncertain):
        client.push(HARD, [2], 60.0)
    assert redis.info("commandstats")["cmdstat_zadd"]["calls"] == calls + 1


def test_without_sentinels_no_other_connection_is_tried_for_want_of_replicas(
    start_server: Callable[..., Server],
) -> None:
    alone = start_server("min-replicas-to-write 1")
    client = _core.Client(alone.url)
    with alone.client() as redis:
        for number in range(3):
            with pytest.raises(RedisNoReplicasError):
                client.push(HARD, [number])
        assert redis.info("stats")["total_connections_received"] <= 3  # the client's, this one, the start's


def test_a_refusal_is_no_doubt_though_replicas_are_wanted(redis_url: str, redis: redis_py.Redis) -> None:
    redis.set("queue:critical", "no list")
    client = _core.Client(redis_url, wait_replicas=1, timeout=0.2)
    with pytest.raises(Exception, match=r"WRONGTYPE") as raised:
        client.push(HARD, [1])
    assert not isinstance(raised.value, PushUncertain)


def test_a_frozen_primary_is_tried_once_however_many_sentinels_name_it(
    start_server: Callable[..., Server],
) -> None:
    own = start_server()
    watching = [start_server(f"sentinel monitor own 127.0.0.1 {own.port} 4", sentinel=True) for _ in range(3)]
    nodes = ",".join(f"127.0.0.1:{watch.port}" for watch in watching)
    own.freeze()
    client = _core.Client(f"redis+sentinel://{nodes}/own", connect_timeout=0.5, timeout=0.5)
    since = time.monotonic()
    with pytest.raises(RedisConnectionError, match=rf"no reply from 127\.0\.0\.1:{own.port} of own: no reply within"):
        client.push(HARD, [1])
    assert time.monotonic() - since < 1


def test_a_primary_that_was_replaced_is_left_though_it_answers(
    start_server: Callable[..., Server], server: Server, redis: redis_py.Redis
) -> None:
    """It takes writes still, and its Sentinel names another: asked each 5 s. No thread's connection stays behind."""
    other = start_server()
    watching = start_server(f"sentinel monitor own 127.0.0.1 {server.port} 1", sentinel=True)
    client = _core.Client(f"redis+sentinel://127.0.0.1:{watching.port}/own")
    over = threading.Event()

    def push() -> None:
        while not over.wait(0.001):
            client.push_bulk(HARD, [[number] for number in range(200)])

    threads = [threading.Thread(target=push) for _ in range(6)]
    with watching.client() as sentinel, other.client() as now:
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: redis.llen("queue:critical") > 6 * 2000, 10, "pushes")
            at_once = sentinel.pipeline(transaction=False)  # a thread that connects in between would find no master
            at_once.execute_command("SENTINEL", "REMOVE", "own")
            at_once.execute_command("SENTINEL", "MONITOR", "own", "127.0.0.1", other.port, 1)
            at_once.execute()
            since = time.monotonic()
            wait_until(lambda: now.llen("queue:critical") > 0, 10, "a push to the other one")
            assert time.monotonic() - since < 7
            time.sleep(0.3)  # what was under way
            left, arrived = redis.llen("queue:critical"), now.llen("queue:critical")
            wait_until(lambda: now.llen("queue:critical") > arrived + 5000, 10, "more pushes")
            assert redis.llen("queue:critical") == left
        finally:
            over.set()
            for thread in threads:
                thread.join(10)


def test_a_sentinel_that_lags_behind_is_not_believed(
    start_server: Callable[..., Server], sentinel: Server, server: Server, replica: Server, redis: redis_py.Redis
) -> None:
    """The first one names a replica; the second one knows better."""
    lagging = start_server(f"sentinel monitor {SERVICE} 127.0.0.1 {replica.port} 9", sentinel=True)
    url = f"redis+sentinel://127.0.0.1:{lagging.port},127.0.0.1:{sentinel.port}/{SERVICE}"
    _core.Client(url).push(HARD, [1])
    assert redis.llen("queue:critical") == 1
    alone = f"redis+sentinel://127.0.0.1:{lagging.port}/{SERVICE}"
    with pytest.raises(RedisConnectionError, match=rf"127\.0\.0\.1:{replica.port} of {SERVICE} is no master"):
        _core.Client(alone).push(HARD, [2])


def restart_with(sentinel: Server, *options: str) -> None:
    sentinel.stop()
    sentinel.options = options
    (sentinel.folder / "server.conf").unlink()
    sentinel.start()


def test_a_sentinel_that_is_cut_off_with_the_old_primary_is_not_believed(start_server: Callable[..., Server]) -> None:
    """It is the first in the URL, and what it names answers as a primary; the other one tells of a later election."""
    old, new = start_server(), start_server()
    stale = start_server(f"sentinel monitor own 127.0.0.1 {old.port} 9", sentinel=True)
    other = start_server(f"sentinel monitor own 127.0.0.1 {old.port} 9", sentinel=True)
    url = f"redis+sentinel://127.0.0.1:{stale.port},127.0.0.1:{other.port}/own"
    client = _core.Client(url)
    with old.client() as before, new.client() as now:
        client.push(HARD, [1])
        assert before.llen("queue:critical") == 1
        restart_with(other, f"sentinel monitor own 127.0.0.1 {new.port} 9", "sentinel config-epoch own 3")
        since = time.monotonic()
        _core.Client(url).push(HARD, [2])
        assert now.llen("queue:critical") == 1, "a new connection"

        def arrives() -> bool:
            client.push(HARD, [3])
            return bool(now.llen("queue:critical") > 1)

        wait_until(arrives, 8, "the old connection's end")
        assert time.monotonic() - since < 7
        left = before.llen("queue:critical")
        other.freeze()  # what it has said is not forgotten
        until = time.monotonic() + 5.5
        while time.monotonic() < until:
            client.push(HARD, [4])
            time.sleep(0.005)
        assert before.llen("queue:critical") == left


def test_neither_a_frozen_sentinel_nor_the_frozen_server_it_names_holds_up_a_push(
    start_server: Callable[..., Server], server: Server, redis: redis_py.Redis
) -> None:
    frozen = start_server()
    frozen.freeze()
    sentinels = [start_server(f"sentinel monitor own 127.0.0.1 {server.port} 9", sentinel=True) for _ in range(2)]
    client = _core.Client(f"redis+sentinel://127.0.0.1:{sentinels[0].port},127.0.0.1:{sentinels[1].port}/own")
    client.push(HARD, [0])
    sentinels[0].freeze()
    restart_with(sentinels[1], f"sentinel monitor own 127.0.0.1 {frozen.port} 9", "sentinel config-epoch own 3")
    taken = []
    until = time.monotonic() + 11  # two looks
    while time.monotonic() < until:
        since = time.monotonic()
        client.push(HARD, [1])
        taken.append(time.monotonic() - since)
        time.sleep(0.01)
    assert max(taken) < 1, sorted(taken)[-5:]
    assert redis.llen("queue:critical") == len(taken) + 1
