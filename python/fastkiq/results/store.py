"""How the record of a job lies in Redis: a hash `fastkiq:result:<jid>` that always has a time to live."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastkiq import _core
from fastkiq.errors import ArgumentError, PushUncertain, RedisBusyError, RedisConnectionError, RedisError
from fastkiq.options import MAX_RESULT_TTL
from fastkiq.results.script import Script

if TYPE_CHECKING:
    from fastkiq.client import Client

UNFINISHED: Final = 86_400
"""Seconds that the record of a job which is not over lives beyond its `result_ttl`, for one that waits or runs long."""
LONGEST_DELAY: Final = 3_162_240_000
"""Seconds, a century: the record of a job that is put off for longer may end before it does."""
REFUSED: Final = 10.0
"""Seconds during which a Redis that refuses to keep a result (it is full, say) is asked again."""

_JID: Final = re.compile(r"[!-~]{1,200}")
_BATCH: Final = 1_000  # jobs a script, as a bulk push has a trip
_BATCH_BYTES: Final = 4_194_304
_LUA: Final = Path(__file__).parent / "lua"
_QUEUED: Final = Script(_LUA / "queued.lua")
_CHANGE: Final = Script(_LUA / "change.lua")


def key_of(jid: str) -> str:
    """The key of the record. Raises ArgumentError when this cannot be a job's id."""
    if not is_jid(jid):
        raise ArgumentError(f"{jid!r:.80} is no job id")
    return f"fastkiq:result:{jid}"


def is_jid(jid: object) -> bool:
    """Whether a record can be kept under this id: printable ASCII, at most 200 characters."""
    return isinstance(jid, str) and _JID.fullmatch(jid) is not None


def seconds_kept(payload: Mapping[str, Any], options: Mapping[str, Any]) -> int:
    """The `result_ttl` of a payload, or where it says none (or nonsense) that of `options`; 0 keeps nothing."""
    for source in (payload, options):
        value = source.get("result_ttl")
        if type(value) is int and 0 <= value <= MAX_RESULT_TTL:
            return value
    return 0


def begin(client: "Client", payloads: Iterable[dict[str, Any]]) -> None:
    """Writes the records of jobs that are about to be pushed. Raises RedisError, ArgumentError."""
    keys: list[str] = []
    facts: list[str | bytes | int] = []
    now = time.time()
    for payload in payloads:
        seconds, at = seconds_kept(payload, {}), payload.get("at")
        if seconds and is_jid(payload.get("jid")):
            delay = max(0.0, at - now) if isinstance(at, (int, float)) else 0.0
            keys.append(key_of(payload["jid"]))
            lives = min(delay, LONGEST_DELAY) + seconds + UNFINISHED
            facts += [int(lives * 1000), int(now * 1000), _core.encode(payload)]
    if not keys:
        return
    try:
        _QUEUED.run(client, keys, facts)
    except RedisConnectionError:
        if not client.config.outage_buffer:
            raise
        # The jobs wait in the buffer, and their records begin when they run.


def pushed(client: "Client", payload: dict[str, Any], push: Callable[[], str]) -> str:
    """Begins the record of one job before `push`, so that whoever has its jid finds it. Raises what `push` does."""
    begin(client, [payload])
    try:
        return push()
    except PushUncertain:
        raise
    except BaseException:
        with suppress(RedisError):
            forget(client, payload.get("jid"))
        raise


def begun(client: "Client", payloads: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The payloads of a bulk push, lazily, each with its record, if it keeps one, written before it is handed on."""
    source = iter(payloads)
    failure: BaseException | None = None
    while failure is None:
        batch, failure = _batch(source)
        if keeping := [payload for payload in batch if seconds_kept(payload, {})]:
            begin(client, keeping)
        yield from batch
    if not isinstance(failure, StopIteration):
        raise failure


def _batch(source: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], BaseException | None]:
    """As many payloads as a round trip takes, and what has ended the source, if it has: those before it are pushed."""
    batch: list[dict[str, Any]] = []
    size = 0
    try:
        while len(batch) < _BATCH and size < _BATCH_BYTES:
            payload = next(source)
            size += len(_core.encode(payload)) if seconds_kept(payload, {}) else 0
            batch.append(payload)
    except BaseException as failure:
        return batch, failure
    return batch, None


def forget(client: "Client", jid: object) -> None:
    """Takes the record away: of a job that Redis has refused. Raises RedisError."""
    if is_jid(jid):
        client.command("UNLINK", key_of(str(jid)))


def change(
    client: "Client", jid: str, step: str, run: str, lives: float, fields: Mapping[str, str | bytes | int]
) -> int:
    """One change, renewing the record's life to so many seconds; answers what `change.lua` does. Raises RedisError."""
    words = [word for pair in fields.items() for word in pair]
    return int(_CHANGE.run(client, [key_of(jid)], [step, run, int(lives * 1000), *words]))


def insist(write: Callable[[], object], given_up: Callable[[], bool], refused: float | None = None) -> None:
    """Repeats a write until Redis has taken it: while Redis is away, as long as that takes or until `given_up()`; one
    that Redis refuses for `refused` seconds (None: REFUSED). Then it raises the RedisError."""
    deadline = time.monotonic() + (REFUSED if refused is None else refused)
    pause = 0.05
    while True:
        try:
            write()
            return
        except (RedisConnectionError, RedisBusyError):
            if given_up():
                raise
        except RedisError:
            if given_up() or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 0.5)  # a stop's Shutdown waits for the end of a sleep
