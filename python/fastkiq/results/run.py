"""What a run writes into the record of its job."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fastkiq import _core, client, registry
from fastkiq.backtrace import as_text, users_part
from fastkiq.errors import FastkiqError, RedisError, ResultNotStored
from fastkiq.job import Job
from fastkiq.logging import about, logger
from fastkiq.results.store import UNFINISHED, change, insist, is_jid, seconds_kept

if TYPE_CHECKING:
    from fastkiq._core import Unit
    from fastkiq.registry import Entry

_LONGEST_TRACEBACK: Final = 65_536  # characters
_nonce: Final = os.urandom(6).hex()


class Record:
    """The record of one job while it runs here. All of it blocks for a round trip; see `insist` for a Redis away."""

    def __init__(self, payload: dict[str, Any], raw: bytes, seconds: int, tid: str) -> None:
        self.jid: str = payload["jid"]
        self.seconds = seconds
        self.run = run_of(tid)
        self._raw = raw
        self._pid = os.getpid()
        self._started = int(time.time() * 1000)

    def start(self) -> None:
        """The job begins. It does so too when Redis does not take this: the end of it tells all once more."""
        fields: dict[str, str | bytes | int] = {"status": "running", "started_at": self._started}
        try:
            if change(client.default(), self.jid, "start", self.run, self.seconds + UNFINISHED, fields) == 0:
                # Nobody has begun the record, or it is gone.
                change(client.default(), self.jid, "end", self.run, self.seconds + UNFINISHED, {"payload": self._raw})
        except RedisError as error:
            logger.warning("cannot note that the job runs: %s", error, extra=about("", self.jid, ""))

    def done(self, name: str, answer: Any, given_up: Callable[[], bool]) -> None:
        """What `perform` answered. Returns when Redis has it. Raises ResultNotStored, RedisError."""
        if os.getpid() != self._pid:
            return  # a child that the job has forked: it ends before it can tell anything
        value = encoded(name, answer)
        self._insist("done", self.seconds, {"status": "done", "value": value, **self._end()}, given_up)

    def failed(self, error: BaseException, retried_in: float | None, given_up: Callable[[], bool]) -> None:
        """The run has failed: for the last time, or it is tried again in so many seconds."""
        from fastkiq.policy import class_name, message_of  # only here: it stands above this module

        traceback = ""
        with suppress(Exception):  # some errors cannot be shown
            traceback = as_text(error, users_part(error))[-_LONGEST_TRACEBACK:].encode("utf-8", "replace").decode()
        told = {"class_name": class_name(error), "message": message_of(error), "traceback": traceback}
        fields = {"error": _core.encode(told), **self._end()}
        if retried_in is None:
            self._tell(self.seconds, {"status": "failed", **fields}, given_up)
        else:
            self._tell(retried_in + self.seconds + UNFINISHED, {"status": "retrying", **fields}, given_up)

    def waits(self, delay: float, given_up: Callable[[], bool]) -> None:
        """The job is back in its queue, or put off."""
        self._tell(delay + self.seconds + UNFINISHED, {"status": "queued"}, given_up)

    def _tell(self, lives: float, fields: dict[str, str | bytes | int], given_up: Callable[[], bool]) -> None:
        """An end that is no success. What a Redis that refuses it says is logged: the job's own way goes on."""
        try:
            self._insist("end", lives, fields, given_up, refused=0.0)
        except RedisError as error:
            logger.error("cannot note that the job is %s: %s", fields["status"], error, extra=about("", self.jid, ""))

    def _insist(
        self,
        step: str,
        lives: float,
        fields: dict[str, str | bytes | int],
        given_up: Callable[[], bool],
        **options: float,
    ) -> None:
        insist(lambda: change(client.default(), self.jid, step, self.run, lives, fields), given_up, **options)

    def _end(self) -> dict[str, str | bytes | int]:
        return {"started_at": self._started, "finished_at": int(time.time() * 1000)}


def run_of(tid: str) -> str:
    """Tells this run of a job from others of it."""
    return f"{_nonce}-{os.getpid()}-{tid}"


def record_of(unit: "Unit", entry: "Entry") -> Record | None:
    """The record of a job that this process has claimed; None when none is kept."""
    if not entry.may_keep:
        return None
    payload = unit.payload()
    seconds = seconds_kept(payload, entry.options)
    if not seconds or not is_jid(payload.get("jid")):
        return None
    return Record(payload, unit.raw, seconds, unit.tid)


def inline_record(job: Job) -> Record:
    """The record of a job that runs where it was called."""
    return Record(job.payload, job.raw, seconds_kept(job.payload, {}), "inline")


def poisoned(raw: bytes, message: str) -> None:
    """The core has put the job into the dead set, since its process died with it again and again."""
    payload = Job.decoded(raw)
    entry = registry.find(Job.class_of(payload))
    seconds = 0 if entry is None or not entry.may_keep else seconds_kept(payload, entry.options)
    if not seconds or not is_jid(payload.get("jid")):
        return
    told = {"class_name": "fastkiq.PoisonPill", "message": message, "traceback": ""}
    now = int(time.time() * 1000)
    fields: dict[str, str | bytes | int] = {"status": "failed", "error": _core.encode(told), "finished_at": now}
    change(client.default(), payload["jid"], "end", "", seconds, fields)


def encoded(name: str, answer: Any) -> bytes:
    """The answer of `perform` as it is kept. Raises ResultNotStored."""
    where = f"what {name} answered cannot be kept as its result"
    try:
        value = _core.encode(answer)
    except FastkiqError as error:
        reason = str(error).replace("arguments are JSON", "results are JSON")
        raise ResultNotStored(f"{where}: {reason}") from None
    most = client.default().config.max_payload_bytes
    if len(value) > most:
        raise ResultNotStored(f"{where}: {len(value):,} bytes are more than max_payload_bytes allows ({most:,})")
    return value
