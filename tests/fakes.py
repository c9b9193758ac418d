"""In-memory stand-ins for the core's server, for tests of what Python does with a job."""

import json
import queue
import socket
from collections.abc import Callable, Mapping
from typing import Any

import fastkiq
from fastkiq._core import mended, splice
from fastkiq.registry import Entry


def payload(**fields: Any) -> dict[str, Any]:
    """A payload as a client writes it."""
    return {
        "retry": True,
        "queue": "default",
        "args": [],
        "class": "app.Job",
        "jid": "b" * 24,
        "created_at": 1_795_305_947_963,
        "enqueued_at": 1_795_305_947_963,
    } | fields


class FakeUnit:
    """One job; `outcome` is what it was settled with: (kind, *arguments)."""

    def __init__(self, worker: Entry | None, *, on: str = "default", begins: bool = True, **fields: Any) -> None:
        self.worker = worker
        self.queue = on
        self.raw = json.dumps(payload(**fields), ensure_ascii=False, separators=(",", ":")).encode()
        self.outcome: tuple[Any, ...] | None = None
        self.recovered = 0
        self.tid = "1"
        self._begins = begins

    @property
    def class_name(self) -> str:
        return str(self.payload()["class"])

    @property
    def jid(self) -> str:
        jid = self.payload().get("jid")
        return jid if isinstance(jid, str) else ""

    @property
    def args(self) -> list[Any]:
        return list(self.payload()["args"])

    def payload(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    def _settle(self, *outcome: Any) -> bool:
        if self.outcome is not None:
            return False
        self.outcome = outcome
        return True

    def begin(self) -> bool:
        return self._begins

    def done(self) -> bool:
        return self._settle("done")

    def fail(self) -> bool:
        return self._settle("fail")

    def retry(self, delay: float, fields: Mapping[str, Any], /, *, failed: bool = True, absolute: bool = False) -> bool:
        return self._settle("retry", delay, dict(fields), failed)

    def schedule(self, delay: float, fields: Mapping[str, Any], /) -> bool:
        return self._settle("schedule", delay, dict(fields))

    def kill(self, fields: Mapping[str, Any], /) -> bool:
        return self._settle("kill", dict(fields))

    def give_back(self) -> bool:
        return self._settle("give_back")

    @property
    def stored(self) -> dict[str, Any]:
        """The payload as the core writes it."""
        assert self.outcome is not None
        set_ = {"kill": "dead", "schedule": "schedule"}.get(self.outcome[0], "retry")
        return dict(json.loads(mended(splice(self.raw, self.fields), self.queue, set_)))  # type: ignore[arg-type]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields it was settled with."""
        assert self.outcome is not None
        return next(part for part in self.outcome if isinstance(part, dict))


class FakeServer:
    """Hands out units to threads (`next`) and to the loop (`next_async`); None ends a thread."""

    def __init__(self) -> None:
        self.units: queue.Queue[FakeUnit | None] = queue.Queue()
        self.coroutines: queue.Queue[FakeUnit] = queue.Queue()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self.rtt = 0.001

    def processor(self, name: str, capsule: int = 0) -> "FakeServer":
        return self

    def next(self) -> FakeUnit | None:
        return self.units.get(timeout=10)

    @property
    def async_fd(self) -> int:
        return self._bell.fileno()

    def push_async(self, unit: FakeUnit) -> FakeUnit:
        self.coroutines.put(unit)
        self._ringer.send(b"\0")
        return unit

    def next_async(self) -> FakeUnit | None:
        try:
            return self.coroutines.get_nowait()
        except queue.Empty:
            pass
        try:
            self._bell.recv(4096)
        except BlockingIOError:
            return None
        return None if self.coroutines.empty() else self.coroutines.get_nowait()

    def close(self) -> None:
        self._bell.close()
        self._ringer.close()


def define(perform: Callable[..., Any] = lambda self: None, **options: Any) -> Entry:
    """A worker of this `perform`; `retry_in` and `retries_exhausted` among the options are its hooks."""
    hooks = {key: options.pop(key) for key in ("retry_in", "retries_exhausted") if key in options}
    body = {"perform": perform, **{key: classmethod(hook) for key, hook in hooks.items()}}
    made: Any = type("Hard", (fastkiq.Worker,), body, **options)  # type: ignore[call-overload]
    entry: Entry = made.__fastkiq__
    return entry
