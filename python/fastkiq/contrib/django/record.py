"""What is known of a Django task that was enqueued: fastkiq's record of the job, and in it what Django wants beyond.

Django wants every worker and every error, fastkiq keeps the last ones: fields `django:...` of the same hash, which live
as long as it does. Redis may hold anything: what makes no sense is as if it were not there.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastkiq import _core, client
from fastkiq.contrib.django.task_error import LoadedTaskError
from fastkiq.errors import RedisReplyError
from fastkiq.results.script import Script
from fastkiq.results.state import FIELDS, State, parse
from fastkiq.results.store import key_of

KEPT: Final = 25
"""Errors of one task that are kept."""
LONGEST_TRACEBACK: Final = 16_384  # characters
MOST_RUNS: Final = 10_000
_SCRIPT: Final = Script(Path(__file__).parent / "lua" / "run.lua")
_LATEST_MS: Final = 253_370_764_800_000  # the year 9999


class Record:
    """One look at it."""

    def __init__(self, fields: Mapping[str, bytes]) -> None:
        self._fields = fields
        self.state: State = parse([fields.get(name) for name in FIELDS])

    @classmethod
    def read(cls, jid: str) -> "Record":
        """Raises RedisError, ArgumentError when no job can have this id."""
        try:
            return cls(_pairs(client.default().command("HGETALL", key_of(jid))))
        except RedisReplyError as error:
            if "WRONGTYPE" in str(error):  # somebody else's key
                return cls({})
            raise

    @classmethod
    def start(cls, jid: str, worker: str, now: int) -> "Record":
        """Notes that a worker has begun a run, at `now` (epoch ms). Raises RedisError."""
        return cls(_pairs(_SCRIPT.run(client.default(), [key_of(jid)], ["run", worker, now])))

    @staticmethod
    def fail(jid: str, number: int, error: Any) -> None:
        """Notes the error (a TaskError) of a run. Raises RedisError."""
        told = _core.encode({"class": error.exception_class_path, "traceback": _sound(error.traceback)})
        _SCRIPT.run(client.default(), [key_of(jid)], ["error", number, told, KEPT])

    @property
    def workers(self) -> list[str]:
        """Who has begun a run, in order."""
        runs = min(_whole(self._fields.get("django:runs")), MOST_RUNS)
        return [
            self._fields.get(f"django:worker:{number}", b"?").decode("utf-8", "replace")
            for number in range(1, runs + 1)
        ]

    @property
    def errors(self) -> list[Any]:
        """The last ones, as TaskErrors, oldest first."""
        held = (_error(self._fields.get(f"django:error:{number}")) for number in range(1, len(self.workers) + 1))
        return [error for error in held if error is not None]

    @property
    def first_started_at(self) -> datetime | None:
        """When its first run began, in UTC."""
        milliseconds = _whole(self._fields.get("django:started_at"))
        return moment(milliseconds) if milliseconds else None


def moment(milliseconds: Any) -> datetime | None:
    """From epoch milliseconds, in UTC; None for what is no time."""
    if type(milliseconds) is not int or not 0 <= milliseconds <= _LATEST_MS:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _pairs(answer: list[bytes]) -> dict[str, bytes]:
    words = iter(answer)
    return {name.decode("utf-8", "replace"): value for name, value in zip(words, words, strict=False)}


def _whole(raw: bytes | None) -> int:
    return int(raw) if raw is not None and raw.isdigit() and len(raw) < 19 else 0


def _error(raw: bytes | None) -> Any:
    try:
        told = None if raw is None else _core.decode(raw)
    except ValueError:
        return None
    match told:
        case {"class": str() as path, "traceback": str() as traceback}:
            return LoadedTaskError(exception_class_path=path, traceback=traceback)
    return None


def _sound(text: str) -> str:
    """Its end, as valid UTF-8."""
    return text[-LONGEST_TRACEBACK:].encode("utf-8", "replace").decode()
