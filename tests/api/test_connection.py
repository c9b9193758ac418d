"""All the ways to Redis, and its refusals as fastkiq's own errors: clear, and without secrets."""

import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py
from redis import exceptions

import fastkiq
from api.kit import failed, fill
from embedded_kit import own_folder
from fastkiq import api
from fastkiq.api.connection import translated
from fastkiq.config import Config
from fastkiq.errors import (
    ConfigError,
    RedisAuthError,
    RedisBusyError,
    RedisConnectionError,
    RedisError,
    RedisNoReplicasError,
    RedisOutOfMemoryError,
    RedisReadOnlyError,
    RedisReplyError,
)
from proxy import Proxy
from servers import Server, free_port


def use(redis: api.Redis) -> None:
    """Something of each kind."""
    api.Queue("mail", redis).pause()
    assert api.Queue("mail", redis).is_paused
    assert api.RetrySet(redis).size == 0
    assert api.Stats(redis).summary().enqueued == 0


@pytest.mark.both_servers
@pytest.mark.parametrize("way", ["redis_url", "unix_url", "tls_redis_url", "sentinel_url"])
def test_all_ways_lead_to_redis(way: str, request: pytest.FixtureRequest, redis: redis_py.Redis) -> None:
    use(api.connect(url=request.getfixturevalue(way)))
    assert redis.smembers("paused") == {b"mail"}


def test_the_embedded_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_folder(tmp_path) as folder:
        monkeypatch.setenv("FASTKIQ_EMBEDDED_DIR", str(folder))
        config = Config(redis_url="embedded")
        fastkiq.Client(config=config).push("Hard", 1)
        redis = api.connect(config)
        assert api.Queue("default", redis).size == 1
        assert api.Stats(redis).server().name == "valkey"
        assert api.Queue("default", redis).clear() == 1
        use(redis)


def test_a_database_and_a_password(start_server: Callable[..., Server]) -> None:
    server = start_server("requirepass hunter2")
    use(api.connect(url=f"redis://:hunter2@127.0.0.1:{server.port}/3"))
    with server.client(password="hunter2", db=3) as client:
        assert client.smembers("paused") == {b"mail"}
    wrong = api.connect(url=f"redis://:hunter3@127.0.0.1:{server.port}/3")
    with pytest.raises(RedisAuthError) as caught:
        api.RetrySet(wrong).page()
    assert "hunter3" not in "".join(traceback.format_exception(caught.value))
    assert "hunter3" not in repr(wrong)


@pytest.mark.both_servers
def test_a_user_with_few_rights(server: Server, redis: redis_py.Redis) -> None:
    """What the inspection API needs, and what such a user is told when it may not."""
    words = ["+@read", "+@write", "+@scripting", "+@connection", "+@transaction", "+time", "-@dangerous"]
    redis.acl_setuser("looker", enabled=True, passwords=["+hunter2"], keys=["*"], commands=words)
    try:
        looker = api.connect(url=f"redis://looker:hunter2@127.0.0.1:{server.port}/0")
        use(looker)
        fill(redis, "retry", {failed(number): number for number in range(3)})
        assert api.RetrySet(looker).retry_all().done == 3
        with pytest.raises(RedisAuthError, match="permission") as caught:
            api.Stats(looker).server()
        assert "hunter2" not in str(caught.value)
    finally:
        redis.acl_deluser("looker")


def test_nobody_there() -> None:
    redis = api.connect(url=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    for ask in (api.Stats(redis).summary, lambda: list(api.RetrySet(redis)), lambda: api.queues(redis)):
        with pytest.raises(RedisConnectionError, match="refused") as caught:
            ask()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_url_that_is_none() -> None:
    with pytest.raises((ConfigError, ValueError)):
        api.connect(url="http://:hunter2@localhost")


def test_silence_ends(proxy: Proxy) -> None:
    redis = api.connect(Config(redis_timeout=0.3), url=proxy.url)
    assert api.RetrySet(redis).size == 0
    proxy.stall()
    with pytest.raises(RedisConnectionError, match=r"[Tt]imeout"):
        assert api.RetrySet(redis).size
    proxy.stall(False)
    assert api.RetrySet(redis).size == 0


def test_a_connection_that_was_cut_while_idle(proxy: Proxy) -> None:
    """Nothing was sent on it: a new one serves."""
    redis = api.connect(url=proxy.url)
    for _ in range(3):
        assert api.RetrySet(redis).size == 0
        proxy.cut()


@pytest.mark.both_servers
def test_a_script_that_redis_has_forgotten(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for _ in range(2):
        assert api.RetrySet(inspected).size == 0
        redis.script_flush()


def test_refusals(start_server: Callable[..., Server]) -> None:
    server = start_server("min-replicas-to-write 1", "min-replicas-max-lag 1")
    redis = api.connect(url=server.url)
    with pytest.raises(RedisNoReplicasError):
        api.Queue("a", redis).pause()
    with server.client() as client:
        client.config_set("min-replicas-to-write", 0)
        client.set("paused", "x")
        with pytest.raises(RedisReplyError, match="WRONGTYPE"):
            api.Queue("a", redis).pause()
        client.replicaof("127.0.0.1", str(server.port))
    with pytest.raises(RedisReadOnlyError):
        api.Queue("a", redis).resume()
    with pytest.raises(RedisReadOnlyError):
        api.RetrySet(redis).clear()


KINDS = [
    (exceptions.AuthenticationError("x"), RedisAuthError),
    (exceptions.NoPermissionError("x"), RedisAuthError),
    (exceptions.ReadOnlyError("x"), RedisReadOnlyError),
    (exceptions.OutOfMemoryError("x"), RedisOutOfMemoryError),
    (exceptions.BusyLoadingError("x"), RedisBusyError),
    (exceptions.MasterDownError("x"), RedisBusyError),
    (exceptions.ResponseError("BUSY Redis is busy"), RedisBusyError),
    (exceptions.ResponseError("NOREPLICAS x"), RedisNoReplicasError),
    (exceptions.ResponseError("ERR x"), RedisReplyError),
    (exceptions.TimeoutError("x"), RedisConnectionError),
    (exceptions.ConnectionError("x"), RedisConnectionError),
    (exceptions.DataError("x"), RedisReplyError),
    (ValueError("x"), RedisError),
]


@pytest.mark.parametrize(("theirs", "ours"), KINDS, ids=lambda value: str(value))
def test_each_refusal_has_its_error(theirs: Exception, ours: type[RedisError]) -> None:
    assert type(translated(theirs)) is ours
    assert str(translated(theirs)) == str(theirs)


@pytest.mark.both_servers
def test_an_error_in_a_pipeline_has_the_server_s_words_only(inspected: api.Redis, redis: redis_py.Redis) -> None:
    redis.set("x", "y")
    for transaction in (True, False):
        pipeline = inspected.pipeline(transaction=transaction)
        pipeline.lpush("x", "secret of a job")
        with pytest.raises(RedisReplyError) as caught:
            pipeline.execute()
        assert str(caught.value).startswith("WRONGTYPE")
        assert "secret" not in str(caught.value)


def test_one_client_for_the_same_settings(redis_url: str) -> None:
    assert api.connect(url=redis_url) is api.connect(url=redis_url)
    assert api.connect(Config(redis_url=redis_url)) is api.connect(url=redis_url)
    assert api.connect(Config(redis_timeout=1), url=redis_url) is not api.connect(url=redis_url)


def test_many_threads(inspected: api.Redis, redis: redis_py.Redis) -> None:
    """No more of them at once than the pool has connections."""
    fill(redis, "retry", {failed(number): number for number in range(500)})
    sizes: list[int] = []
    threads = [threading.Thread(target=lambda: sizes.append(len(list(api.RetrySet(inspected))))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sizes == [500] * 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number): number for number in range(200)})
    walk = iter(api.RetrySet(inspected))
    first = next(walk)
    child = os.fork()
    if child == 0:
        try:
            sizes = [len(list(api.RetrySet(inspected))) for _ in range(20)]
            os._exit(0 if sizes == [200] * 20 else 1)
        finally:
            os._exit(2)
    for _ in range(20):
        assert len(list(api.RetrySet(inspected))) == 200
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [entry.id for entry in (first, *walk)] == [entry.id for entry in api.RetrySet(inspected)]
