"""redis-py on the Redis that fastkiq is configured for. Its errors are those of `fastkiq.errors`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.client import Pipeline as _Pipeline
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SlaveNotFoundError

from fastkiq import _core
from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.errors import (
    RedisAuthError,
    RedisBusyError,
    RedisConnectionError,
    RedisError,
    RedisNoReplicasError,
    RedisOutOfMemoryError,
    RedisReadOnlyError,
    RedisReplyError,
)

# The first that fits; a subclass of redis-py's comes before its base.
_KINDS: Final[list[tuple[type[Exception], str, type[RedisError]]]] = [
    (exceptions.AuthenticationError, "", RedisAuthError),
    (exceptions.NoPermissionError, "", RedisAuthError),
    (exceptions.ReadOnlyError, "", RedisReadOnlyError),
    (exceptions.OutOfMemoryError, "", RedisOutOfMemoryError),
    (exceptions.BusyLoadingError, "", RedisBusyError),
    (MasterNotFoundError, "", RedisConnectionError),
    (SlaveNotFoundError, "", RedisConnectionError),
    (exceptions.ConnectionError, "", RedisConnectionError),
    (exceptions.TimeoutError, "", RedisConnectionError),
    (exceptions.ResponseError, "NOREPLICAS", RedisNoReplicasError),
    (exceptions.ResponseError, "OOM", RedisOutOfMemoryError),
    (exceptions.ResponseError, "READONLY", RedisReadOnlyError),
    (exceptions.ResponseError, "NOPERM", RedisAuthError),
    (exceptions.ResponseError, "NOAUTH", RedisAuthError),
    (exceptions.ResponseError, "WRONGPASS", RedisAuthError),
    (exceptions.ResponseError, "BUSY", RedisBusyError),
    (exceptions.MasterDownError, "", RedisBusyError),
    (exceptions.RedisError, "", RedisReplyError),
]
_MOST_CONNECTIONS: Final = 10_000
"""A thread has one at a time, so threads are the bound: at its own redis-py raises an error, and does not wait."""


def translated(error: Exception) -> RedisError:
    """One of redis-py's exceptions as fastkiq's."""
    for kind, beginning, ours in _KINDS:
        if isinstance(error, kind) and str(error).startswith(beginning):
            return ours(str(error))
    return RedisError(str(error))


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except exceptions.RedisError as error:
        raise translated(error) from error


class Pipeline(_Pipeline):
    """redis-py's, with fastkiq's errors."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """All that was queued, in one round trip. Without `raise_on_error` a refusal stands among the answers."""
        with _translating():
            answers: list[Any] = super().execute(raise_on_error)
            return answers

    def annotate_exception(self, exception: Exception, number: int, command: Sequence[Any]) -> None:
        """The server's own text: redis-py would put the command before it, arguments of jobs and all."""


class Redis(redis.Redis):
    """redis-py's client, with fastkiq's errors. Answers are bytes."""

    def execute_command(self, *words: Any, **options: Any) -> Any:
        """One command, in one round trip. Never sent twice: a lost reply raises RedisConnectionError."""
        with _translating():
            return super().execute_command(*words, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Commands that leave together; with `transaction` in MULTI."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def connect(config: Config | None = None, *, url: str | None = None) -> Redis:
    """A client to `url`, else to `config`'s Redis, else to the configured one: a pool for any number of threads, which
    connects at the first use. The same settings give the same client. Raises ConfigError, EmbeddedError."""
    if config is None:
        config = configuration.default()
        config.load_once()
    return _client(config.resolved_url(url), config.connect_timeout, config.redis_timeout)


@lru_cache(maxsize=16)
def _client(url: str, connect_timeout: float, timeout: float) -> Redis:
    parts = _core.parse_url(url)
    # A command that is sent again after a lost reply may run twice: RESP2, no retries, no health checks between.
    common: dict[str, Any] = {
        "db": parts["db"],
        "username": parts["username"],
        "password": parts["password"],
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": timeout,
        "client_name": "fastkiq-api",
        "encoding_errors": "surrogatepass",
        "protocol": 2,
        "max_connections": _MOST_CONNECTIONS,
        "retry": Retry(NoBackoff(), 0),
    }
    tls: dict[str, Any] = {}
    if parts["tls"]:
        tls = {
            "ssl": True,
            "ssl_cert_reqs": parts["cert_reqs"] or "required",
            "ssl_check_hostname": parts["check_hostname"] is not False,
            "ssl_certfile": parts["certfile"],
            "ssl_keyfile": parts["keyfile"],
            "ssl_ca_certs": parts["ca_certs"],
        }
    if parts["scheme"] == "unix":
        return Redis(unix_socket_path=parts["path"], **common)
    if parts["scheme"] == "sentinel":
        credentials = {"username": parts["sentinel_username"], "password": parts["sentinel_password"]}
        asking = {"socket_connect_timeout": connect_timeout, "socket_timeout": timeout, **credentials, **tls}
        sentinels: Any = Sentinel(parts["sentinels"], sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        master: Redis = sentinels.master_for(parts["service"], redis_class=Redis, **common, **tls)
        return master
    return Redis(host=parts["host"], port=parts["port"], **common, **tls)
