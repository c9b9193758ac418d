"""How far a job is, told by itself: at most twice a second, and never at the expense of the job."""

import sys
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from fastkiq import _core, client, context
from fastkiq.errors import ArgumentError, FastkiqError, RedisError
from fastkiq.logging import about, logger
from fastkiq.results.run import run_of
from fastkiq.results.state import is_number
from fastkiq.results.store import UNFINISHED, change, is_jid, seconds_kept

if TYPE_CHECKING:
    from fastkiq.worker import Worker

EVERY: Final = 0.5
"""Seconds between two writes; what is said in between is passed over, but for the end."""
KEPT: Final = 3_600
"""Seconds that the progress of a job without `result_ttl` is kept after it was last told."""
AFTER_FAILURE: Final = 30.0
"""Seconds without a write after one that has failed."""
LONGEST_NOTE: Final = 500  # characters


class Teller:
    """Writes the progress of one run."""

    def __init__(self, instance: "Worker") -> None:
        job, entry = instance.job, instance.__fastkiq__
        kept = seconds_kept(job.payload, entry.options) if entry.may_keep else 0
        self._jid = job.jid
        self._lives = kept + UNFINISHED if kept else KEPT
        self._run = run_of("inline" if instance._unit is None else instance._unit.tid)
        self._next = 0.0
        self._said: tuple[Any, ...] | None = None
        self._under_way = False

    def tell(self, done: float, total: float | None, note: str | None) -> None:
        """Raises ArgumentError for what is no number or no text."""
        said = (done, total, note)
        now = time.monotonic()
        if said == self._said or (now < self._next and (total is None or done < total)) or self._under_way:
            return
        written = _core.encode(_checked(done, total, note))
        self._said = said
        self._next = now + EVERY
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or asyncio._get_running_loop() is None:
            self._write(written)
        else:  # a coroutine: its loop must not wait for Redis
            self._under_way = True
            asyncio.get_running_loop().run_in_executor(None, copy_context().run, self._write, written)

    def _write(self, written: bytes) -> None:
        try:
            if is_jid(self._jid):
                change(client.default(), self._jid, "progress", self._run, self._lives, {"progress": written})
        except RedisError as error:
            self._next = time.monotonic() + AFTER_FAILURE
            logger.warning("cannot tell how far the job is: %s", error, extra=about("", self._jid, ""))
        finally:
            self._under_way = False


def progress(done: float, total: float | None = None, note: str | None = None) -> None:
    """`Worker.progress` of the job that this thread or task runs, for functions. Raises FastkiqError outside of one."""
    instance = context.current.get()
    if instance is None:
        raise FastkiqError("fastkiq.progress: no job runs here")
    tell(instance, done, total, note)


def tell(instance: "Worker", done: float, total: float | None, note: str | None) -> None:
    """For the job that this instance runs. Raises ArgumentError, FastkiqError outside of a run."""
    if instance._teller is None:
        instance._teller = Teller(instance)
    instance._teller.tell(done, total, note)


def _checked(done: Any, total: Any, note: Any) -> list[Any]:
    for name, value in (("done", done), ("total", total)):
        if name == "total" and value is None:
            continue
        if not is_number(value):
            raise ArgumentError(f"progress: {name} is a number, not {value!r:.80}")
    if note is not None and not isinstance(note, str):
        raise ArgumentError(f"progress: note is a text, not {type(note).__name__}")
    sound = None if note is None else note[:LONGEST_NOTE].encode("utf-8", "replace").decode()
    return [_plain(done), None if total is None else _plain(total), sound]


def _plain(number: float) -> float:
    """Without what numpy, or an IntEnum, makes of it."""
    return int(number) if isinstance(number, int) else float(number)
