"""Checks of the processes that run jobs, of fastkiq's and Sidekiq's, and of what dead ones have left."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final

from fastkiq import _core
from fastkiq.doctor.facts import Facts, whole
from fastkiq.doctor.finding import Finding
from fastkiq.errors import RedisBusyError, RedisConnectionError, RedisError
from fastkiq.flights import Survey, knows, look, scores
from fastkiq.printable import counted

MOST: Final = 1_000
"""Processes that are looked at,"""
_BUDGET: Final = 4.0
"""and seconds for that, and once more for the search of flights."""
_TTL: Final = 60.0
"""Seconds after its last beat at which a process's hash expires, Sidekiq's and ours."""
_SKEW: Final = 2.0
_LARGE: Final = 1_000_000
"""Bytes of an entry that is passed over rather than read."""
_NAMED: Final = 5
_SEE_ALL: Final = "fastkiq recover --dry-run takes the time to look at all"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process as its heartbeat describes it."""

    identity: str
    version: str
    """`fastkiq 0.1.0`; of a Sidekiq its own number, or nothing."""
    queues: tuple[str, ...]
    quiet: bool
    skew: float | None
    """Seconds by which its clock is ahead of Redis's, as far as its last beat tells."""
    schema: str | None = None
    """Of its keys; None: it is no fastkiq."""
    lease: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is a fastkiq."""
        return self.schema is not None


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that were looked at."""

    found: list[Worker]
    complete: bool
    hidden: bool = False
    """They cannot be asked for."""

    @property
    def served(self) -> set[str]:
        """Queues of those that take jobs."""
        return {queue for worker in self.found if not worker.quiet for queue in worker.queues}

    @property
    def stopping(self) -> set[str]:
        """Queues that only processes serve which take no more."""
        return {queue for worker in self.found if worker.quiet for queue in worker.queues} - self.served


def read(facts: Facts) -> Workers:
    """Those whose heartbeat is younger than a minute, as far as time allows."""
    names, complete = members(facts, "processes", MOST)
    found: list[Worker] = []
    now = facts.time()
    began = time.monotonic()
    for name in names or ():
        elapsed = time.monotonic() - began
        if elapsed > _BUDGET:
            complete = False
            break
        worker = _worker(facts, name, None if now is None else now + elapsed)
        if worker is not None:
            found.append(worker)
    return Workers(found, complete, names is None)


def members(facts: Facts, key: str, most: int) -> tuple[list[bytes] | None, bool]:
    """Members of a set, at most so many, and whether these are all. None: they cannot be read."""
    found: dict[bytes, None] = {}
    cursor: Any = 0
    while True:
        answer = facts.ask("SSCAN", key, cursor, "COUNT", min(most, 1_000))
        if not isinstance(answer, list):
            return None, False
        cursor, page = answer
        found.update(dict.fromkeys(page))
        if cursor == b"0":
            return list(found)[:most], len(found) <= most
        if len(found) >= most:
            return list(found)[:most], False


def _worker(facts: Facts, name: bytes, now: float | None) -> Worker | None:
    size = facts.ask("HSTRLEN", name, "info")
    if not isinstance(size, int) or not 0 < size <= _LARGE:
        return None
    answer = facts.ask("HMGET", name, "info", "beat", "quiet")
    if not isinstance(answer, list) or len(answer) != 3:
        return None
    info = _object(answer[0])
    queues = info.get("queues")
    record = facts.ask("HMGET", b"fastkiq:process:" + name, "schema", "lease")
    schema, lease = record if isinstance(record, list) and len(record) == 2 else (None, None)
    micros = whole(lease)
    return Worker(
        identity=name.decode("utf-8", "replace"),
        version=str(info.get("version") or ""),
        queues=tuple(str(queue) for queue in queues) if isinstance(queues, list) else (),
        quiet=answer[2] == b"true",
        skew=_skew(facts, name, answer[1], now),
        schema=None if schema is None else schema.decode("utf-8", "replace"),
        lease=None if micros is None else micros / 1e6,
    )


def _skew(facts: Facts, name: bytes, beat: bytes | None, now: float | None) -> float | None:
    """The beat is by its clock (of a fastkiq: by its notion of Redis's); when it came, Redis knows from the expiry."""
    left = facts.ask("PTTL", name)
    try:
        told = float(beat or b"")
    except ValueError:
        return None
    if now is None or not isinstance(left, int) or not 0 < left <= _TTL * 1000 or not 0 < told < 1e11:
        return None
    return told - (now - (_TTL - left / 1000))


def _object(text: bytes | None) -> dict[str, Any]:
    try:
        value = _core.decode(text or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def check(facts: Facts, workers: Workers) -> Iterator[Finding]:
    """All checks of processes."""
    yield _present(workers)
    yield _versions(workers.found)
    yield _leases(workers.found)
    yield _clocks(workers.found)
    try:
        survey = look(facts.core, _BUDGET)
        _ask_again(facts.core, survey)
    except (RedisConnectionError, RedisBusyError):
        raise
    except RedisError as error:
        yield Finding("orphans", "unknown", f"flights cannot be read: {error}", "see the other findings")
        return
    dead = {each.identity for each in survey.holders.values() if each.score is None or each.overdue}
    dead |= _gone(facts, sorted(set(survey.holders) - dead))
    yield _stale(survey, dead)
    yield _orphans(survey, dead)
    if survey.unreadable:
        found = (
            f"{survey.unreadable[0]} looks like a flight and is none ({counted(len(survey.unreadable), 'such key')})"
        )
        yield Finding("flights", "warning", found, "look at it: fastkiq has not written it, and leaves it alone")


def _ask_again(core: _core.Client, survey: Survey) -> None:
    """One that has joined after the registry was read, or that a cut-short reading has missed, is not dead."""
    missing = [each.identity for each in survey.holders.values() if each.score is None]
    for identity, score in scores(core, missing).items():
        survey.holders[identity].score = score


def _gone(facts: Facts, identities: list[str]) -> set[str]:
    """Those that are known to have ended, as far as time allows: the others may live."""
    until = time.monotonic() + _BUDGET
    looked = takewhile(lambda _: time.monotonic() <= until, islice(identities, MOST))
    return {each for each in looked if _has_gone(facts, each)}


def _has_gone(facts: Facts, identity: str) -> bool:
    """Whether it ran on this machine and has ended."""
    try:
        return facts.core.recover(identity, "look", None, [], (0, 0.0))[0] == "gone"
    except (RedisConnectionError, RedisBusyError):
        raise
    except RedisError:
        return False


def _present(workers: Workers) -> Finding:
    found = workers.found
    if workers.hidden:
        return Finding("processes", "unknown", "the set of processes cannot be read", "allow SSCAN, and see `types`")
    if not found:
        return Finding("processes", "info", "no process runs jobs now", "start one: fastkiq process MODULE")
    ours = sum(worker.is_ours for worker in found)
    what = counted(len(found), "process", "processes") + ("" if workers.complete else " (the first looked at)")
    others = "" if ours == len(found) else f", {len(found) - ours:,} of them no fastkiq"
    quiet = sum(worker.quiet for worker in found)
    silent = f", {quiet:,} quiet" if quiet else ""
    return Finding("processes", "ok", f"{what}{others}{silent}")


def _versions(workers: list[Worker]) -> Finding:
    ours = [worker for worker in workers if worker.is_ours]
    schemas = sorted({worker.schema or "" for worker in ours})
    if not all(map(knows, schemas)):
        found = f"workers keep their keys in the schemas {', '.join(schemas)}, this command knows {_core.schema}"
        return Finding("versions", "warning", found, "bring all to one version of fastkiq, two at most side by side")
    versions = sorted({worker.version for worker in ours})
    if len(versions) > 1:
        found = f"workers run different versions: {', '.join(versions[:_NAMED])}"
        return Finding("versions", "info", found, "nothing while a deploy is under way; else restart the older ones")
    mine = f"fastkiq {_core.__version__}"
    if versions and versions != [mine]:
        found = f"workers run {versions[0]}, this is {mine}"
        return Finding("versions", "info", found, "judge by a command of the workers' own version")
    return Finding("versions", "ok", f"all run {mine}" if versions else "no fastkiq process to compare")


def _leases(workers: list[Worker]) -> Finding:
    leases = sorted({worker.lease for worker in workers if worker.lease is not None})
    if len(leases) > 1:
        found = f"leases differ, from {leases[0]:g} to {leases[-1]:g} s: the dead ones' jobs come back so much later"
        return Finding("leases", "info", found, "give all the same, unless it is meant")
    return Finding("leases", "ok", f"a lease of {leases[0]:g} s" if leases else "no leases to compare")


def _clocks(workers: list[Worker]) -> Finding:
    wrong = [worker for worker in workers if worker.skew is not None and abs(worker.skew) >= _SKEW]
    if not wrong:
        return Finding("worker-clocks", "ok", "the workers' beats agree with Redis's clock")
    worst = max(wrong, key=lambda worker: abs(worker.skew or 0.0))
    skew = worst.skew or 0.0
    way = "ahead of" if skew > 0 else "behind"
    more = "" if len(wrong) == 1 else f", {counted(len(wrong) - 1, 'other')} too"
    found = f"the clock of {worst.identity} is {abs(skew):,.1f} s {way} Redis's{more}"
    return Finding("worker-clocks", "warning", found, "synchronise it (NTP): its jobs run early or late")


def _stale(survey: Survey, dead: set[str]) -> Finding:
    stale = [each for each in survey.holders.values() if each.score is not None and each.identity in dead]
    if not stale:
        return Finding("stale", "ok", "no process is overdue with its heartbeat")
    oldest = max(stale, key=lambda each: each.age)
    more = "" if len(stale) == 1 else f", {counted(len(stale) - 1, 'other')} too"
    found = f"{oldest.identity} has shown no heartbeat for {oldest.age:,.0f} s, or has ended{more}"
    return Finding("stale", "warning", found, "another process takes over within seconds; with none: fastkiq recover")


def _orphans(survey: Survey, dead: set[str]) -> Finding:
    part = "" if survey.complete else f" (looked for {_BUDGET:g} s, not at all keys)"
    holding = [each for each in survey.holding if each.identity in dead]
    if not holding:
        if not survey.complete:
            return Finding("orphans", "unknown", f"no dead process was seen to hold jobs{part}", _SEE_ALL)
        return Finding("orphans", "ok", "no dead process holds jobs")
    jobs = counted(sum(each.jobs for each in holding), "job")
    found = f"{jobs} in flight of {counted(len(holding), 'dead process', 'dead processes')}{part}"
    if not survey.complete:
        return Finding("orphans", "unknown", found, _SEE_ALL)
    living = any(each.score is not None and each.identity not in dead for each in survey.holders.values())
    lost = any(each.score is None and each.buried is None for each in holding)
    if living and not lost:
        return Finding("orphans", "warning", found, "a running process puts them back within its lease and 10 s")
    why = "their registry is lost" if lost else "no process runs that would put them back"
    return Finding("orphans", "critical", f"{found}: {why}", "fastkiq recover")
