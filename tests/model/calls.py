"""The scripts, called as the Rust side calls them: a `Call` holds all that goes over the wire, to be sent again."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis as redis_py

LUA = Path(__file__).parents[2] / "rust" / "lua"
SOURCES = {path.stem: path.read_text() for path in sorted(LUA.glob("*.lua"))}
DIGESTS = {name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest() for name, source in SOURCES.items()}

DAY = "2026-11-22"
DAILY_TTL = 157_680_000
MOST_BYTES = 1 << 26
STATS = ("stat:processed", f"stat:processed:{DAY}", "stat:failed", f"stat:failed:{DAY}")

Job = bytes
Word = str | bytes | int | float


@dataclass(frozen=True)
class Call:
    """A script with its keys and arguments."""

    script: str
    keys: tuple[str, ...]
    args: tuple[Word, ...]

    def run(self, redis: redis_py.Redis) -> Any:
        """By digest, and whole where the server does not know the digest."""
        words = (len(self.keys), *self.keys, *self.args)
        try:
            return redis.evalsha(DIGESTS[self.script], *words)
        except redis_py.exceptions.NoScriptError:
            return redis.eval(SOURCES[self.script], *words)


def queue(name: str) -> str:
    return f"queue:{name}"


def flight(identity: str, name: str, number: int) -> str:
    return f"fastkiq:flight:{identity}:{name}:{number}"


def flights(identity: str) -> str:
    return f"fastkiq:flights:{identity}"


def join(identity: str, queues: Iterable[str], machine: str = "m", proof: str = "1 1") -> Call:
    keys = ("fastkiq:alive", f"fastkiq:process:{identity}", f"fastkiq:machine:{machine}")
    return Call("join", keys, (identity, proof, "schema", "1", "queues", " ".join(queues), "machine", machine))


def beat(identity: str) -> Call:
    return Call("beat", ("fastkiq:alive",), (identity,))


def leave(identity: str, queues: Iterable[str] = (), machine: str = "m") -> Call:
    """With `queues`, their lists of blocking moves are declared too."""
    own = (f"fastkiq:process:{identity}", f"fastkiq:machine:{machine}", flights(identity))
    lists = tuple(flight(identity, name, 0) for name in queues)
    return Call("leave", ("fastkiq:alive", *own, "processes", f"{identity}:work", "fastkiq:tombs", *lists), (identity,))


def fence(identity: str, score: str = "", machine: str = "m") -> Call:
    """`score` as last seen, or nothing when the death is proved."""
    keys = ("fastkiq:alive", "fastkiq:tombs", "processes", f"{identity}:work", f"fastkiq:machine:{machine}")
    return Call("fence", keys, (identity, score))


def claim(identity: str, shares: Sequence[tuple[str, int, int]], most: int = 500, most_bytes: int = MOST_BYTES) -> Call:
    """`shares`: queue, number of the claim, most jobs."""
    keys = ["fastkiq:alive", "paused", "fastkiq:suspects", flights(identity)]
    args: list[Word] = [identity, most, most_bytes]
    for name, number, share in shares:
        keys += [queue(name), flight(identity, name, number)]
        args += [f"{name}:{number}", share]
    return Call("claim", tuple(keys), tuple(args))


def ack(
    identity: str,
    lists: Sequence[tuple[str, int, Sequence[Job] | None]],
    suspects: Sequence[str] = (),
    loose: int = 0,
) -> Call:
    """`lists`: queue, number of the claim, its jobs or None for the whole of it. `loose`: jobs of basic fetch."""
    keys = ["fastkiq:suspects", *STATS[:2], flights(identity)]
    args: list[Word] = [DAILY_TTL, loose, len(suspects), *suspects]
    for name, number, jobs in lists:
        keys.append(flight(identity, name, number))
        args += [f"{name}:{number}", -1] if jobs is None else [f"{name}:{number}", len(jobs), *jobs]
    return Call("ack", tuple(keys), tuple(args))


def settle(
    source: str,
    job: Job,
    where: str,
    *,
    stored: Job = b"",
    mode: str = "in",
    when: float = 0.0,
    counted: int = 1,
    suspect: str = "",
    bound: int = 10_000,
    age: int = 15_552_000,
    basic: bool = False,
) -> Call:
    """`where`: retry, schedule or dead; `counted`: 1 as processed and failed, 0 as processed, -1 not."""
    keys = (source, where, "fastkiq:suspects", *STATS)
    args = (job, stored, mode, f"{when:.6f}", counted, suspect, DAILY_TTL, bound, age, int(basic))
    return Call("settle", keys, args)


def give_back(
    source: str, name: str, jobs: Sequence[tuple[Job, str]], *, counted: bool = False, basic: bool = False
) -> Call:
    """`jobs`, newest first, each with its suspect field or an empty one."""
    keys = (source, queue(name), "queues", "fastkiq:suspects", *STATS)
    pairs = [word for pair in jobs for word in pair]
    return Call("give_back", keys, (name, int(counted), DAILY_TTL, int(basic), *pairs))


def rescue(
    identity: str,
    name: str,
    number: int,
    jobs: Sequence[tuple[Job, str, str, str, Job]],
    bound: int = 10_000,
    age: int = 15_552_000,
) -> Call:
    """`jobs`, newest first: job, suspect field, its mark as read, its mark from now on, the corpse or nothing."""
    own = (flight(identity, name, number), queue(name), "queues", "fastkiq:suspects", "dead", flights(identity))
    words = [word for *row, corpse in jobs for word in (*row, "1" if corpse else "", corpse)]
    return Call("rescue", (*own, "fastkiq:alive"), (name, f"{name}:{number}", bound, age, identity, *words))


def due(most: int = 100, most_bytes: int = MOST_BYTES) -> Call:
    return Call("due", ("schedule", "retry"), (most, most_bytes))


def move(source: str, jobs: Sequence[tuple[Job, Job, str]], bound: int = 10_000) -> Call:
    """`jobs`: as stored, as queued (nothing = no job can be made of it), queue."""
    names = list(dict.fromkeys(name for _, queued, name in jobs if queued))
    args: list[Word] = [bound]
    for stored, queued, name in jobs:
        args += [stored, queued, names.index(name) + 4, name, b""] if queued else [stored, b"", 0, "", b""]
    return Call("move", (source, "dead", "queues", *(queue(name) for name in names)), tuple(args))
