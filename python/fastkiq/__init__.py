"""fastkiq: simple, fast, durable background jobs, compatible with Sidekiq."""

from typing import TYPE_CHECKING, Any

from fastkiq._core import __version__, debug_build
from fastkiq.bound import Bound, JobOptions
from fastkiq.carried import carry
from fastkiq.client import Client
from fastkiq.config import Config, configure
from fastkiq.context import current_job
from fastkiq.errors import (
    DISCARD,
    KILL,
    ArgumentError,
    BufferFull,
    ConfigError,
    Control,
    DefinitionError,
    Discard,
    EmbeddedError,
    FastkiqError,
    ForkedError,
    JobFailed,
    Kill,
    PoisonPill,
    PushUncertain,
    RedisAuthError,
    RedisBusyError,
    RedisConnectionError,
    RedisError,
    RedisNoReplicasError,
    RedisOutOfMemoryError,
    RedisReadOnlyError,
    RedisReplyError,
    ResultNotReady,
    ResultNotStored,
    Retry,
    Shutdown,
    Snooze,
    UnknownWorker,
    Verdict,
)
from fastkiq.function import JobFunction, job
from fastkiq.job import Job
from fastkiq.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from fastkiq.in_process import run_in_process
    from fastkiq.results import Result, progress, result

__all__ = [
    "DISCARD",
    "KILL",
    "ArgumentError",
    "Bound",
    "BufferFull",
    "Client",
    "Config",
    "ConfigError",
    "Control",
    "DefinitionError",
    "Discard",
    "EmbeddedError",
    "FastkiqError",
    "ForkedError",
    "Job",
    "JobFailed",
    "JobFunction",
    "JobOptions",
    "Kill",
    "PoisonPill",
    "PushUncertain",
    "RedisAuthError",
    "RedisBusyError",
    "RedisConnectionError",
    "RedisError",
    "RedisNoReplicasError",
    "RedisOutOfMemoryError",
    "RedisReadOnlyError",
    "RedisReplyError",
    "Result",
    "ResultNotReady",
    "ResultNotStored",
    "Retry",
    "Shutdown",
    "Snooze",
    "UnknownWorker",
    "Verdict",
    "Worker",
    "WorkerOptions",
    "__version__",
    "carry",
    "configure",
    "current_job",
    "job",
    "progress",
    "result",
    "run_in_process",
]

if debug_build:
    import warnings

    warnings.warn("this is a debug build of fastkiq, many times slower than a release build", stacklevel=2)


def __getattr__(name: str) -> Any:
    """What only some programs need is loaded when it is asked for."""
    if name == "run_in_process":
        from fastkiq.in_process import run_in_process

        return run_in_process
    if name in ("Result", "progress", "result"):
        from fastkiq import results

        return getattr(results, name)
    if name in ("api", "deploy", "embedded", "testing"):
        from importlib import import_module

        try:
            return import_module(f"fastkiq.{name}")
        except ModuleNotFoundError as error:
            if error.name == f"fastkiq.{name}":
                raise AttributeError(f"module 'fastkiq' has no attribute {name!r}") from None
            raise
    raise AttributeError(f"module 'fastkiq' has no attribute {name!r}")
