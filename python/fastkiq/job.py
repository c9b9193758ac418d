"""The record of one job, for hooks, handlers, middleware and inspection."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastkiq import _core

if TYPE_CHECKING:
    from fastkiq._core import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as it is stored. Nothing that Redis holds makes the building of it fail: what is unusable is absent."""

    jid: str
    class_name: str
    """The name of the worker in the payload; of Active Job's, whose class is a wrapper, that of the job in it."""
    queue: str
    args: list[Any] = field(repr=False)
    """As stored; of Active Job's, those of the job as people read them: without the markers of Rails, and a date, say,
    still as a text."""
    attempt: int = 1
    """Which run this is: 1 for the first, 2 for the first retry. In hooks and handlers the run that failed, of a job
    that waits the one to come."""
    created_at: datetime | None = None
    enqueued_at: datetime | None = None
    failed_at: datetime | None = None
    """When it first failed."""
    retried_at: datetime | None = None
    """When it last failed, if it failed more than once."""
    at: datetime | None = None
    """When it falls due (or died), for jobs of the sorted sets."""
    recovered: int = 0
    """How many deaths of a process it has survived."""
    raw: bytes = field(default=b"", repr=False)
    """The stored bytes."""
    payload: dict[str, Any] = field(default_factory=dict, repr=False)
    """All of it, decoded."""

    @classmethod
    def from_unit(cls, unit: "Unit") -> "Job":
        """The record of a job that this process has claimed."""
        return cls.of_payload(unit.payload(), unit.raw, queue=unit.queue, recovered=unit.recovered)

    @classmethod
    def from_bytes(cls, raw: bytes, *, queue: str | None = None, at: float | None = None, recovered: int = 0) -> "Job":
        """The record of stored bytes; `at` is the score in a sorted set. What is not JSON gives an empty `payload`."""
        return cls.of_payload(cls.decoded(raw), raw, queue=queue, at=at, recovered=recovered)

    @staticmethod
    def decoded(raw: bytes) -> dict[str, Any]:
        """The payload of stored bytes; empty when they are no JSON object."""
        try:
            payload = _core.decode(raw)
        except ValueError:
            return {}
        return payload if isinstance(payload, dict) else {}

    @classmethod
    def of_payload(
        cls, payload: Any, raw: bytes, *, queue: str | None = None, at: float | None = None, recovered: int = 0
    ) -> "Job":
        """The record of stored bytes that were decoded."""
        if not isinstance(payload, dict):
            payload = {}
        name, args = _text(payload.get("class")), payload.get("args")
        if "wrapped" in payload:
            name, args = _unwrapped(name, _text(payload["wrapped"]), args)
        count = _count(payload.get("retry_count"))
        return cls(
            jid=_text(payload.get("jid")),
            class_name=name,
            queue=queue if queue is not None else _text(payload.get("queue")),
            args=args if isinstance(args, list) else [],
            attempt=1 if count is None else count + 2,
            created_at=_stamp(payload.get("created_at")),
            enqueued_at=_stamp(payload.get("enqueued_at")),
            failed_at=_stamp(payload.get("failed_at")),
            retried_at=_stamp(payload.get("retried_at")),
            at=None if at is None else _moment(at),
            recovered=recovered,
            raw=raw,
            payload=payload,
        )

    @staticmethod
    def class_of(payload: dict[str, Any]) -> str:
        """The `class_name` of the job with this payload."""
        name = _text(payload.get("class"))
        return _unwrapped(name, _text(payload["wrapped"]), [])[0] if "wrapped" in payload else name

    @staticmethod
    def args_of(payload: dict[str, Any]) -> list[Any]:
        """The `args` of the job with this payload."""
        args = payload.get("args")
        if "wrapped" in payload:
            args = _unwrapped(_text(payload.get("class")), _text(payload["wrapped"]), args)[1]
        return args if isinstance(args, list) else []

    @property
    def retry_count(self) -> int | None:
        """Failures counted so far, less one, as the payload has it; None before the first."""
        return _count(self.payload.get("retry_count"))

    @property
    def tick(self) -> datetime | None:
        """The moment for which a recurring job was enqueued, in UTC; None for any other job."""
        cron = self.payload.get("cron")
        tick = cron.get("tick") if isinstance(cron, dict) else None
        return _stamp(tick) if type(tick) is int else None

    @property
    def tags(self) -> list[str]:
        """The tags in the payload."""
        tags = self.payload.get("tags")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @property
    def error_class(self) -> str | None:
        """The class of the last error."""
        value = self.payload.get("error_class")
        return value if isinstance(value, str) else None

    @property
    def error_backtrace(self) -> list[str]:
        """Lines of the last error's traceback, the frame that raised first; empty when none is kept or none can be
        read."""
        from fastkiq.backtrace import read

        return read(self.payload.get("error_backtrace")).lines

    @property
    def error_message(self) -> str | None:
        """The message of the last error."""
        value = self.payload.get("error_message")
        return value if isinstance(value, str) else None


def _unwrapped(name: str, wrapped: str, args: Any) -> tuple[str, Any]:
    """Name and arguments of what is, perhaps, a job of Active Job's."""
    from fastkiq import active_job

    return (wrapped, active_job.shown(args)) if wrapped and name in active_job.WRAPPERS else (name, args)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _stamp(value: Any) -> datetime | None:
    """Integers are milliseconds (Sidekiq 8), floats are seconds (Sidekiq 7)."""
    if type(value) is int and abs(value) < 10**17:
        return _moment(value / 1000)
    return _moment(value) if type(value) is float else None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
