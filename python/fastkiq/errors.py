"""Every exception that fastkiq raises, and the ones that a job raises to steer its own fate.

The Rust core looks these classes up by name, creates them with one message and sets their attributes; so each
takes a single optional message and has class-level defaults for everything else.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, final


class FastkiqError(Exception):
    """The base of all errors of fastkiq."""


class ArgumentError(FastkiqError, TypeError, ValueError):
    """A job's arguments are not plain JSON, do not fit `perform`, or an enqueue option makes no sense.

    Nothing was enqueued. A running job fails with it whose arguments are not what `perform` is annotated with, or come
    from Rails and have no counterpart here.
    """


class DefinitionError(FastkiqError, TypeError, ValueError):
    """A worker class cannot be what its definition says: bad option, bad name, bad `perform`."""


class ConfigError(FastkiqError, ValueError):
    """A setting is unknown, of the wrong type or out of range. The message names where it was set."""


class UnknownWorker(FastkiqError, LookupError):
    """A payload names a class that no loaded module defines."""


class PoisonPill(FastkiqError):
    """Three processes died within 72 hours while they ran the job: it is in the dead set and not tried again."""


class ResultNotStored(FastkiqError, TypeError, ValueError):
    """What `perform` answered cannot be kept as the job's result: no plain JSON, or too large. So the job fails."""


class ResultNotReady(FastkiqError):
    """The job is not over, or nothing is known of it: no result is kept of its class, or no longer."""


class JobFailed(FastkiqError):
    """The job whose result was asked for has failed for the last time. `error` is its last error.

    `error` has `class_name`, `message` and `traceback`.
    """

    error: Any = None


class ForkedError(FastkiqError, RuntimeError):
    """A running server was used in a forked child."""


class RedisError(FastkiqError):
    """Redis could not do what was asked. The subclasses tell the reasons apart.

    When a bulk push failed part of the way, `pushed` holds the jids that Redis confirmed, `uncertain` those whose
    reply was lost, and `rest` the rows that were never sent.
    """

    jid: str | None = None
    """Of the job that was to be enqueued."""
    pushed: Sequence[str] = ()
    uncertain: Sequence[str] = ()
    rest: Iterable[Any] = ()


class RedisConnectionError(RedisError):
    """Redis cannot be reached, or the connection broke."""


class RedisAuthError(RedisError):
    """The user name or password is wrong, or the user may not do this."""


class RedisReadOnlyError(RedisError):
    """The server is a replica and takes no writes."""


class RedisOutOfMemoryError(RedisError):
    """The server is full (`maxmemory`)."""


class RedisBusyError(RedisError):
    """The server is loading its data, runs a long script, or its master is down."""


class RedisNoReplicasError(RedisError):
    """The server refuses writes because too few replicas follow it."""


class RedisReplyError(RedisError):
    """Any other refusal; the message is the server's."""


class BufferFull(RedisError):
    """Redis is away and the outage buffer (`outage_buffer`) has no room. This job was not accepted."""


class EmbeddedError(RedisError):
    """The embedded server (`redis_url="embedded"`) cannot be started or does not answer."""


class PushUncertain(RedisError):
    """The job was sent but the reply was lost, or too few replicas confirmed it: it may be enqueued or not.

    `jid` is the job's id (of a bulk push: see `pushed`, `uncertain` and `rest`). fastkiq never sends it again by
    itself, since that could run the job twice.
    """


@final
class Shutdown(BaseException):
    """Raised inside a running job when the process has to stop. The job has already gone back to its queue."""


class Control(Exception):
    """The base of what a job raises to decide its own fate. Not a failure of the program."""


def _seconds(value: float | timedelta, what: str) -> float:
    """Seconds as a float; refuses what is not a finite, non-negative number."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"{what} wants seconds or a timedelta, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = float("inf")
    if not 0 <= seconds < 1e11:  # NaN fails this too; 1e11 s is some 3,000 years
        raise ArgumentError(f"{what} is out of range: {value!r}")
    return seconds


class Retry(Control):
    """Fail this attempt and try again `in_` seconds (or timedelta) from now; None takes the usual backoff.

    The attempt counts: after the last one the job is dead as ever.
    """

    in_: float | None
    """Seconds."""

    def __init__(self, message: str = "retry asked for by the job", *, in_: float | timedelta | None = None) -> None:
        super().__init__(message)
        self.in_ = None if in_ is None else _seconds(in_, "Retry(in_=...)")


class Discard(Control):
    """Drop this job: no retry, not in the dead set."""


class Kill(Control):
    """Move this job to the dead set now."""


class Snooze(Control):
    """Run this job again `in_` seconds (or timedelta) from now; no attempt is counted."""

    USUAL: Final = "snoozed by the job"
    in_: float
    """Seconds."""

    def __init__(self, message: str = USUAL, *, in_: float | timedelta) -> None:
        super().__init__(message)
        self.in_ = _seconds(in_, "Snooze(in_=...)")


def failure_of(error: BaseException) -> BaseException:
    """What has failed where a job raised `error`: that, but of `raise fastkiq.Retry() from problem` the problem.

    So it is a Control only where a job steers itself and nothing has failed.
    """
    if isinstance(error, Control) and error.__cause__ is not None:
        return error.__cause__
    return error


@final
class Verdict:
    """What a `retry_in` hook may answer instead of seconds: `DISCARD` or `KILL`. Compare with `is`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"fastkiq.{self._name}"

    def __reduce__(self) -> str:
        return self._name  # pickles as the module's global, so that `is` holds after a round trip


DISCARD: Final = Verdict("DISCARD")
"""From `retry_in` or `retries_exhausted`: drop the job, and do not keep it in the dead set."""
KILL: Final = Verdict("KILL")
"""From `retry_in`: to the dead set now, without another try."""
