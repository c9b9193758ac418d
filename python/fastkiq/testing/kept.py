"""One job that a test holds, in the bytes that Redis would have, with the calls by which a run settles a job."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from fastkiq import _core, registry
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.times import stamp

Fate = Literal["waits", "runs", "done", "dropped", "retries", "scheduled", "dead", "queue"]


class Kept:
    """Has what processors and the retry policy use of a `_core.Unit`; `fate` says where it goes next."""

    recovered = 0
    tid = "test"

    def __init__(
        self, payload: Mapping[str, Any], clock: Callable[[], float], compat: str | None, *, now: bool = False
    ) -> None:
        """Of a payload as client middleware left it; with `now` whatever its time. Raises ArgumentError where a push
        would."""
        self.serial = 0
        self._clock = clock
        self._compat = compat
        pushed = clock()
        at = None if now else payload.get("at")
        if at is not None and (isinstance(at, bool) or not isinstance(at, (int, float))):
            raise ArgumentError(f'payload["at"]: {type(at).__name__}; pass epoch seconds')
        self.at: float | None = at if at is not None and at > pushed else None
        self.pushed_at = pushed
        self.raw = _stored(payload, None if self.at is not None else stamp(pushed, compat))
        self.fate: Fate = "waits"
        self._read()

    def _read(self) -> None:
        """Takes from the bytes what is asked for often."""
        payload = self.payload()
        self.jid: str = payload["jid"]
        self.class_name: str = payload["class"]
        self.queue: str = payload["queue"]
        self._job: Job | None = None

    @property
    def worker(self) -> registry.Entry | None:
        """Who runs it, as a worker process would find him: by name or alias, or by the class's name alone."""
        found = registry.find(self.class_name)
        if found is None:
            found, _ = registry.table().get(self.class_name, (None, False))
        return found

    @property
    def job(self) -> Job:
        """The record of it, as inspection shows it."""
        if self._job is None:
            self._job = Job.from_bytes(self.raw, queue=self.queue, at=self.at)
        return self._job

    @property
    def args(self) -> Sequence[Any]:
        args: list[Any] = self.payload()["args"]
        return args

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = _core.decode(self.raw)
        return payload

    def rewrite(self, fields: Mapping[str, Any], at: float | None) -> None:
        """Sets fields of the payload (None removes one) and the time at which it falls due."""
        self.raw = _core.splice(self.raw, fields)
        self.at = at
        self._read()

    def promote(self) -> None:
        """Due: as the scheduler pushes it to its queue."""
        self.fate = "waits"
        self.rewrite({"enqueued_at": stamp(self._clock(), self._compat)}, None)

    def begin(self) -> bool:
        return True

    def done(self) -> bool:
        return self._settle("done")

    def fail(self) -> bool:
        return self._settle("dropped")

    def give_back(self) -> bool:
        return self._settle("queue")

    def retry(self, delay: float, fields: Mapping[str, Any], /, *, failed: bool = True, absolute: bool = False) -> bool:
        return self._settle("retries", fields, delay if absolute else self._clock() + delay)

    def schedule(self, delay: float, fields: Mapping[str, Any], /) -> bool:
        return self._settle("scheduled", fields, self._clock() + delay)

    def kill(self, fields: Mapping[str, Any], /) -> bool:
        return self._settle("dead", fields, self._clock())

    def _settle(self, fate: Fate, fields: Mapping[str, Any] | None = None, at: float | None = None) -> bool:
        if self.fate != "runs":
            return False
        self.fate = fate
        if fields is not None:
            self.rewrite(fields, at)
        return True


def _stored(payload: Mapping[str, Any], enqueued_at: float | None) -> bytes:
    """What a push would store. Raises ArgumentError for what it would refuse."""
    for key in ("queue", "class"):
        if not isinstance(payload.get(key), str) or not payload[key]:
            raise ArgumentError(f'payload["{key}"]: not a str with something in it')
    for key in ("args", "retry"):
        if key not in payload:
            raise ArgumentError(f'payload["{key}"]: missing; a payload holds queue, class, args and retry')
    fields = {key: value for key, value in payload.items() if key not in ("at", "enqueued_at")}
    if fields.get("jid") is None:
        fields["jid"] = secrets.token_hex(12)
    if enqueued_at is not None:
        fields["enqueued_at"] = enqueued_at
    raw = _core.encode(fields)
    if _core.mended(raw, payload["queue"], "queue") != raw:
        raise ArgumentError(
            "payload: a value that Sidekiq's Web UI cannot show; tags are a list, times are numbers, cattr is a dict"
        )
    return raw
