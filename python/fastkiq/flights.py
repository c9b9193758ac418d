"""Who holds jobs in flight: by the registries, and by the flights' own keys where the registries were lost.

What is read here may have been written by anybody: a key that no process can have made is named, never guessed at.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from fastkiq import _core
from fastkiq.errors import RedisAuthError, RedisReplyError

ALIVE: Final = "fastkiq:alive"
TOMBS: Final = "fastkiq:tombs"
LEASE: Final = 30.0
"""Seconds; of a process whose record does not tell its own."""
_FLIGHT: Final = b"fastkiq:flight:"
_INDEX: Final = b"fastkiq:flights:"
# A nonce is 12 hex digits after a pid; host names and queue names may contain colons. The first that fits is it.
_IDENTITY: Final = re.compile(r"(.+?:[0-9]+:[0-9a-f]{12}):(.+)", re.DOTALL)
_MEMBER: Final = re.compile(r"(.+):(0|[1-9][0-9]{0,18})", re.DOTALL)
_PAGE: Final = 1_000


@dataclass(slots=True)
class Holder:
    """A process that is known to have held jobs, or to live."""

    identity: str
    score: str | None = None
    """Its entry in the registry; None: it is not there."""
    age: float = 0.0
    """Seconds since its last beat, by Redis's clock."""
    lease: float = LEASE
    buried: float | None = None
    """When it was declared dead, by Redis's clock."""
    flights: dict[str, int] = field(default_factory=dict)
    """`<queue>:<number>` -> jobs in it; only those that hold any."""

    @property
    def jobs(self) -> int:
        """All that it holds."""
        return sum(self.flights.values())

    @property
    def queues(self) -> dict[str, int]:
        """Queue -> jobs of it that it holds."""
        found: dict[str, int] = {}
        for member, jobs in sorted(self.flights.items()):
            name = queue_of(member)
            found[name] = found.get(name, 0) + jobs
        return found

    @property
    def overdue(self) -> bool:
        """Its lease has run out, as far as one look can tell."""
        return self.score is not None and self.age >= self.lease


@dataclass(slots=True)
class Survey:
    """All that was found at one look."""

    now: float
    """Epoch seconds by Redis's clock."""
    holders: dict[str, Holder] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """Keys that look like flights and are none: of a wrong type, or of a name that no process gives."""
    scanned: int = 0
    """Keys that the search went through."""
    complete: bool = True

    @property
    def holding(self) -> list[Holder]:
        """Those that hold jobs, in the order of their names."""
        return sorted((holder for holder in self.holders.values() if holder.flights), key=lambda each: each.identity)


def queue_of(member: str) -> str:
    """The queue of `<queue>:<number>`."""
    return member.rpartition(":")[0]


def look(core: _core.Client, budget: float | None = None) -> Survey:
    """Finds every process that lives or holds jobs. With a budget of seconds the search of the keys may end early."""
    until = None if budget is None else time.monotonic() + budget
    seconds, micros = core.command("TIME")
    survey = Survey(int(seconds) + int(micros) / 1e6)
    for raw, score in _members(core, survey, ALIVE, until):
        holder = _holder(survey, raw)
        if holder is not None:
            holder.score = score
            holder.age = survey.now - _number(score, survey.now)
    for raw, score in _members(core, survey, TOMBS, until):
        holder = _holder(survey, raw)
        if holder is not None:
            holder.buried = _number(score, 0.0)
    keys = _search(core, survey, until)
    for key in keys:
        if key.startswith(_INDEX):
            _holder(survey, key[len(_INDEX) :])
    for holder in survey.holders.values():
        if _is_late(survey, until):
            break
        _read_record(core, holder, survey)
    for key in keys:
        if _is_late(survey, until):
            break
        if key.startswith(_FLIGHT):
            _read_flight(core, survey, key)
    return survey


def _is_late(survey: Survey, until: float | None) -> bool:
    if until is None or time.monotonic() <= until:
        return False
    survey.complete = False
    return True


def _search(core: _core.Client, survey: Survey, until: float | None) -> set[bytes]:
    found: set[bytes] = set()
    for page in scan(core, "fastkiq:flight*"):
        survey.scanned += _PAGE
        found.update(page)
        if _is_late(survey, until):
            break
    return found


def scan(core: _core.Client, pattern: str) -> Iterator[list[bytes]]:
    """Keys that match, page by page; a page stands for about a thousand keys looked at and may be empty."""
    cursor: Any = 0
    while True:
        cursor, page = core.command("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
        yield page
        if cursor == b"0":
            return


def _members(core: _core.Client, survey: Survey, key: str, until: float | None) -> Iterator[tuple[bytes, str]]:
    # By ZSCAN, never by ranks: these move with every heartbeat, and a page of them would pass over who lives.
    cursor: Any = 0
    while True:
        cursor, flat = core.command("ZSCAN", key, cursor, "COUNT", _PAGE)
        yield from ((raw, score.decode()) for raw, score in zip(flat[::2], flat[1::2], strict=True))
        if cursor == b"0" or _is_late(survey, until):
            return


def _holder(survey: Survey, raw: bytes) -> Holder | None:
    try:
        identity = raw.decode()
    except UnicodeDecodeError:
        return None  # its flights, if it has any, are named as unreadable
    return survey.holders.setdefault(identity, Holder(identity))


def _read_record(core: _core.Client, holder: Holder, survey: Survey) -> None:
    """What the process's index and record tell: its lease, and flights that a search of the keys may have missed."""
    try:
        lease, queues = core.command("HMGET", f"fastkiq:process:{holder.identity}", "lease", "queues")
    except RedisReplyError:
        lease = queues = None
    if lease is not None and lease.isdigit() and len(lease) < 16:
        holder.lease = int(lease) / 1e6
    members = [f"{name}:0" for name in (queues or b"").decode("utf-8", "replace").split(" ") if name]
    try:
        indexed = core.command("SMEMBERS", f"fastkiq:flights:{holder.identity}")
    except RedisReplyError:
        survey.unreadable.append(f"fastkiq:flights:{holder.identity}")
        indexed = []
    members += [raw.decode("utf-8", "replace") for raw in indexed]
    for member in members:
        if _MEMBER.fullmatch(member):
            _count(core, survey, holder, member, f"fastkiq:flight:{holder.identity}:{member}".encode())


def _read_flight(core: _core.Client, survey: Survey, key: bytes) -> None:
    found = _owner(survey, key)
    if found is None:
        survey.unreadable.append(key.decode("utf-8", "replace"))
        return
    identity, member = found
    holder = survey.holders.get(identity)
    if holder is None:
        holder = survey.holders[identity] = Holder(identity)
        _read_record(core, holder, survey)
    if member not in holder.flights:
        _count(core, survey, holder, member, key)


def _owner(survey: Survey, key: bytes) -> tuple[str, str] | None:
    """The process and the `<queue>:<number>` of a flight's key."""
    try:
        rest = key[len(_FLIGHT) :].decode()
    except UnicodeDecodeError:
        return None
    # A known id is the best anchor: its host may be called anything.
    known = (rest[:at] for at in reversed(_colons(rest)) if rest[:at] in survey.holders)
    identity = next(known, None)
    if identity is None:
        parts = _IDENTITY.fullmatch(rest)
        identity = parts and parts[1]
    if identity is None:
        return None
    member = rest[len(identity) + 1 :]
    return (identity, member) if _MEMBER.fullmatch(member) else None


def _colons(text: str) -> list[int]:
    return [at for at, character in enumerate(text) if character == ":"]


def _count(core: _core.Client, survey: Survey, holder: Holder, member: str, key: bytes) -> None:
    try:
        jobs = core.command("LLEN", key)
    except RedisAuthError:
        raise
    except RedisReplyError:
        name = key.decode("utf-8", "replace")
        if name not in survey.unreadable:
            survey.unreadable.append(name)
        return
    if jobs:
        holder.flights[member] = jobs


def _number(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if abs(value) < 1e11 else otherwise


def scores(core: _core.Client, identities: Iterable[str]) -> dict[str, str | None]:
    """What the registry holds for each of them now, a thousand at a round trip: a watch of many must not outlast a
    heartbeat with each of its looks."""
    names, found = list(identities), dict[str, str | None]()
    for start in range(0, len(names), _PAGE):
        page = names[start : start + _PAGE]
        answer = core.command("ZMSCORE", ALIVE, *page)
        found.update((name, score and score.decode()) for name, score in zip(page, answer, strict=True))
    return found


def knows(schema: str) -> bool:
    """Whether this version can read keys of that layout: its own and those before it (as `schema.rs`)."""
    return schema.isascii() and schema.isdigit() and len(schema) < 10 and int(schema) <= int(_core.schema)
