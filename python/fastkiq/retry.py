"""When a failed job runs again: the terms its payload sets, range-checked, and the delays."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from fastkiq import _core, active_job
from fastkiq.options import is_queue

T = TypeVar("T")

LONGEST_DELAY: Final = 1e9  # seconds, some 31 years: the largest `retry_for` that Sidekiq takes, too
_MOST_RETRIES: Final = 1_000_000
_LATEST_MS: Final = 1e14  # the year 5138; what lies beyond is no time


@dataclass(frozen=True, slots=True)
class Terms:
    """What one failed job's payload says about trying again."""

    retries: int | None
    """How many times at most; None: never, and not kept either (`retry=False`)."""
    retry_for: float | None
    """Seconds from the first failure during which it is tried again, instead of a number of times."""
    dead: bool
    """Whether it is kept in the dead set at the end."""
    retry_queue: str | None
    backtrace: int
    """How many lines of traceback the payload keeps; 0 = none."""
    count: int
    """Retries before this failure: 0 at the first one."""
    failed_before: bool
    """Not the same as `count`: a retry by hand in Sidekiq's Web UI takes one from the count."""
    first_failure: float
    """Epoch seconds."""
    complaints: list[str]
    """What made no sense, and what was used instead."""

    def exhausted(self, now: float) -> bool:
        """Whether this failure is the last one, at epoch seconds `now`."""
        if self.retry_for is not None:
            return self.first_failure + self.retry_for < now
        return self.retries is None or self.count >= self.retries


def terms(
    payload: Mapping[str, Any], options: Mapping[str, Any], now: float, max_retries: int, backtrace: int
) -> Terms:
    """Reads a payload's terms. `options` are the worker's own, for what the payload leaves out or gets wrong.

    `max_retries` stands for `retry=True`; `backtrace` (lines) for a payload that says nothing of it.
    """
    complaints: list[str] = []

    def sound(key: str, read: Callable[[Any], T | None], default: T) -> T:
        for source in (payload, options):
            if (value := source.get(key)) is not None:
                found = read(value)
                if found is not None:
                    return found
                complaints.append(f"{key}: {_short(value)}")
        return default

    retry = sound("retry", _retry, cast("bool | int", True))
    retry_for = sound("retry_for", _seconds, 0.0)
    failed_before = _stored_count(payload.get("retry_count")) is not None
    count = sound("retry_count", _stored_count, -1) + 1
    first = epoch_seconds(payload.get("failed_at")) if failed_before else None
    return Terms(
        retries=None if retry is False else max_retries if retry is True else retry,
        retry_for=retry_for or None,
        dead=sound("dead", _flag, True),
        retry_queue=sound("retry_queue", _queue, "") or None,
        backtrace=sound("backtrace", _lines, backtrace),
        count=count,
        failed_before=failed_before,
        first_failure=now if first is None else first,
        complaints=complaints,
    )


def backoff(count: int) -> float:
    """Seconds before retry number `count` + 1, without jitter: 25 of them span 20 days."""
    return float(min(count**4 + 15, LONGEST_DELAY))


def jitter_bound(count: int) -> int:
    """The jitter is a whole number of seconds below this: the later the retry, the wider jobs spread."""
    return 10 * (min(count, _MOST_RETRIES) + 1)


def unknown_delay(waited: float) -> float:
    """Seconds before a job of an unknown class is looked at again, `waited` seconds after the first look."""
    return max(15.0, min(3600.0, waited / 2))


def asked_delay(value: object) -> float | None:
    """A hook's answer as seconds; None when it leaves the choice to the backoff. Raises TypeError, ValueError."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"retry_in answers seconds, a timedelta, None, DISCARD or KILL, not {type(value).__name__}")
    if value != value:
        raise ValueError("retry_in answered NaN")
    return float(min(value, LONGEST_DELAY)) if value > 0 else None


def epoch_seconds(value: object) -> float | None:
    """A payload's time: whole milliseconds (Sidekiq 8) or float seconds (before); None when it is no time."""
    if type(value) is int and 0 <= value < _LATEST_MS:
        return value / 1000
    if type(value) is float and 0 <= value < _LATEST_MS / 1000:
        return value
    return None


def repairs(payload: Mapping[str, Any], queue: str) -> dict[str, Any]:
    """The fields that must change beside what the core mends of each entry that it writes (`_core.mended`).

    An entry is pushed again to `queue`; a job without a jid cannot be addressed, and one without `retry` would be given
    another by Ruby's scheduler. Pages of Sidekiq's show texts as errors and unpack the backtrace, and what a wrapper of
    Active Job's holds.
    """
    fields: dict[str, Any] = {}
    if payload.get("queue") != queue:
        fields["queue"] = queue
    if not isinstance(payload.get("jid"), str) or not payload["jid"]:
        fields["jid"] = secrets.token_hex(12)
    if "retry" not in payload:
        fields["retry"] = True
    for key in ("error_message", "error_class"):
        if key in payload and not isinstance(payload[key], str):
            fields[key] = None
    if "error_backtrace" in payload and not _unpacks(payload["error_backtrace"]):
        fields["error_backtrace"] = None
    return fields | active_job.repair(payload)


def taken_out(payload: Mapping[str, Any], raw: bytes, queue: str) -> list[str]:
    """The fields of a payload, `raw` as it is stored, that the core takes out where it writes the job."""
    mended = _core.mended(raw, queue, "dead")
    if mended is raw:
        return []
    kept = _core.decode(mended)
    return [key for key in payload if key not in kept]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _retry(value: Any) -> bool | int | None:
    return value if type(value) is bool or (type(value) is int and 0 <= value <= _MOST_RETRIES) else None


def _seconds(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 < value <= LONGEST_DELAY else None


def _flag(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_RETRIES else None


def _stored_count(value: Any) -> int | None:
    """A `retry_count`; -1 is what the Web UI leaves when the first retry is begun by hand."""
    return -1 if type(value) is int and value == -1 else _count(value)


def _lines(value: Any) -> int | None:
    if type(value) is bool:
        return 1_000 if value else 0
    return min(value, 1_000) if type(value) is int and value >= 0 else None


def _queue(value: Any) -> str | None:
    return value if is_queue(value) else None


def _unpacks(value: Any) -> bool:
    from fastkiq.backtrace import read

    return isinstance(value, str) and read(value).flaw is None
