"""What a record says. Redis may hold anything: what makes no sense is as if it were not there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from sys import float_info
from typing import Any, Final, Literal, get_args

from fastkiq import _core

Status = Literal["unknown", "queued", "running", "retrying", "done", "failed"]
FIELDS: Final = (
    "status",
    "value",
    "error",
    "attempts",
    "queued_at",
    "started_at",
    "finished_at",
    "payload",
    "progress",
)
_LATEST_MS: Final = 253_370_764_800_000  # the year 9999


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is kept."""

    class_name: str
    """`ValueError`, `myapp.errors.Broken`."""
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come: `done` of `total` (None: nobody knows), in whatever the job counts."""

    done: float
    total: float | None
    note: str | None

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None without a total."""
        if not self.total:
            return None
        return min(1.0, max(0.0, self.done / self.total))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A record at one moment."""

    status: Status = "unknown"
    value: Any = None
    error: Failure | None = None
    attempts: int = 0
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    payload: dict[str, Any] | None = None
    progress: Progress | None = None


UNKNOWN: Final = State()


def parse(values: list[bytes | None]) -> State:
    """The record from the values of FIELDS."""
    held = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    payload = _decoded(held.get("payload"))
    found: dict[str, Any] = {name: _moment(held.get(name)) for name in ("queued_at", "started_at", "finished_at")}
    return State(
        status=_status(held),
        value=_decoded(held.get("value")),
        error=_failure(_decoded(held.get("error"))),
        attempts=_whole(held.get("attempts"), 1_000_000_000) or 0,
        payload=payload if isinstance(payload, dict) else None,
        progress=progress_of(held.get("progress")),
        **found,
    )


def progress_of(raw: bytes | None) -> Progress | None:
    """From what is stored, `[done, total, note]`."""
    match _decoded(raw):
        case [done, total, None | str() as note] if is_number(done) and (total is None or is_number(total)):
            return Progress(done, total, note)
    return None


def is_number(value: Any) -> bool:
    """Whether this is a number that a float can hold, and no flag."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= float_info.max


def _status(held: dict[str, bytes]) -> Status:
    word = held.get("status", b"").decode("utf-8", "replace")
    if word == "done" and _decoded(held.get("value"), _NONE) is _NONE:
        return "unknown"  # it is done, but nobody can say with what
    for known in get_args(Status):
        if word == known:
            status: Status = known
            return status
    return "unknown"


_NONE: Final = object()


def _decoded(raw: bytes | None, otherwise: Any = None) -> Any:
    try:
        return otherwise if raw is None else _core.decode(raw)
    except ValueError:
        return otherwise


def _failure(told: Any) -> Failure | None:
    match told:
        case {"class_name": str() as name, "message": str() as message, "traceback": str() as traceback}:
            return Failure(name, message, traceback)
    return None


def _whole(raw: bytes | None, most: int) -> int | None:
    digits = (raw or b"").decode("ascii", "replace")
    return int(digits) if digits.isdigit() and len(digits) < 19 and int(digits) <= most else None


def _moment(raw: bytes | None) -> datetime | None:
    milliseconds = _whole(raw, _LATEST_MS)
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
