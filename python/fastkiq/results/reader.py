"""The result of a job, for whoever has its id."""

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

from fastkiq import client as clients
from fastkiq.errors import JobFailed, RedisReplyError, ResultNotReady
from fastkiq.results.state import FIELDS, UNKNOWN, Failure, Progress, State, Status, parse
from fastkiq.results.store import key_of

if TYPE_CHECKING:
    from datetime import datetime

    from fastkiq.client import Client

PATIENCE: Final = 10.0
"""Seconds after which a wait for a job of which nothing is known ends."""
_OVER: Final = (b"done", b"failed")


class Result:
    """What is known of one job, as of the last look: the first one, `refresh`, or the end of a wait.

    Nothing is read before it is asked for. Each look is a round trip, so coroutines first `await result.arefresh()` or
    `await result`, and what they then read does not block. Raises RedisError kinds.
    """

    def __init__(self, jid: str, *, client: "Client | None" = None) -> None:
        self.jid = jid
        self._key = key_of(jid)
        self._client = client
        self._state: State | None = None
        self._told: bytes | None = None  # the status, as a wait has last seen it

    def refresh(self) -> "Result":
        """Looks anew, and answers itself."""
        self._state = self._read()
        return self

    async def arefresh(self) -> "Result":
        """`refresh` that does not block the event loop."""
        import asyncio  # only here: programs without coroutines need not load it

        self._state = await asyncio.to_thread(self._read)
        return self

    @property
    def status(self) -> Status:
        """unknown, queued, running, retrying, done or failed (dead or dropped: it is not tried again)."""
        return self._seen.status

    @property
    def value(self) -> Any:
        """What `perform` answered, as plain JSON. Raises JobFailed, or ResultNotReady while the job is not over."""
        seen = self._seen
        if seen.status == "done":
            return seen.value
        if seen.status == "failed":
            raise _failed(self.jid, seen.error)
        if seen.status == "unknown":
            raise ResultNotReady(
                f"nothing is known of job {self.jid}: its class has no result_ttl, or the result is no longer kept"
            )
        raise ResultNotReady(f"job {self.jid} is {seen.status}")

    @property
    def error(self) -> Failure | None:
        """The last error of a job that has failed, for good or until its next try."""
        return self._seen.error

    @property
    def attempts(self) -> int:
        """How many runs have begun."""
        return self._seen.attempts

    @property
    def queued_at(self) -> "datetime | None":
        """When it was enqueued, in UTC."""
        return self._seen.queued_at

    @property
    def started_at(self) -> "datetime | None":
        """When its last run began."""
        return self._seen.started_at

    @property
    def finished_at(self) -> "datetime | None":
        """When its last run ended, well or not."""
        return self._seen.finished_at

    @property
    def payload(self) -> dict[str, Any] | None:
        """The job as it was enqueued."""
        return self._seen.payload

    @property
    def progress(self) -> Progress | None:
        """What the job last said by `self.progress(...)`."""
        return self._seen.progress

    def wait(self, timeout: float | None = None) -> Any:
        """Waits until the job is over; answers its value.

        Looks at once, again after 10 ms, and in the end twice a second. Raises JobFailed; TimeoutError after `timeout`
        seconds; and ResultNotReady when for 10 s nothing was known of such a job.
        """
        for pause in self._pauses(timeout):
            time.sleep(pause)
            if self._over():
                break
        return self.refresh().value

    def __await__(self) -> Generator[Any, None, Any]:
        """`wait` for coroutines; `asyncio.wait_for(result, seconds)` bounds it."""
        return self._wait().__await__()

    async def _wait(self) -> Any:
        import asyncio

        for pause in self._pauses(None):
            await asyncio.sleep(pause)
            if await asyncio.to_thread(self._over):
                break
        return (await self.arefresh()).value

    def __repr__(self) -> str:
        return f"<Result of {self.jid}{f': {self._state.status}' if self._state else ''}>"

    @property
    def _seen(self) -> State:
        return self._state or self.refresh()._seen

    @property
    def _redis(self) -> "Client":
        return self._client or clients.default()

    def _read(self) -> State:
        try:
            return parse(self._redis.command("HMGET", self._key, *FIELDS))
        except RedisReplyError as error:
            if "WRONGTYPE" in str(error):  # somebody else's key
                return UNKNOWN
            raise

    def _over(self) -> bool:
        """Reads no more than what tells, since payload and value may be megabytes."""
        try:
            status = self._redis.command("HGET", self._key, "status")
        except RedisReplyError as error:
            if "WRONGTYPE" not in str(error):
                raise
            status = None
        self._told = self._told if status is None else status
        return status in _OVER

    def _pauses(self, timeout: float | None) -> Iterator[float]:
        """Seconds before each look. Raises TimeoutError."""
        began = time.monotonic()
        pause = 0.0
        while True:
            passed = time.monotonic() - began
            if self._told is None and passed > PATIENCE:
                return
            if timeout is not None and pause and passed >= timeout:
                raise TimeoutError(self._not_over(timeout))
            yield pause if timeout is None else max(0.0, min(pause, timeout - passed))
            pause = min(max(0.01, pause * 1.5), 0.5)

    def _not_over(self, timeout: float) -> str:
        if self._told is None:
            return f"nothing is known of job {self.jid} after {timeout:g} s: does its worker say result_ttl=...?"
        if self._told == b"queued":  # a push by name may ask for what the class does not do
            return (
                f"job {self.jid} was not over within {timeout:g} s: it waits in its queue, or its class does not say "
                "result_ttl=..., and then nobody notes that it runs"
            )
        return f"job {self.jid} was not over within {timeout:g} s"


def _failed(jid: str, error: Failure | None) -> JobFailed:
    told = "" if error is None else f" with {error.class_name}: {error.message}"
    failure = JobFailed(f"job {jid} has failed{told}")
    failure.error = error
    return failure
