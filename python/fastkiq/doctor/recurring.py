"""Checks of the recurring jobs: whether somebody fires them and runs them, and whether what Redis holds is one."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from fastkiq.cron.definition import KEYS, MAX_BYTES, Definition
from fastkiq.doctor.facts import Facts
from fastkiq.doctor.finding import Finding, Level
from fastkiq.doctor.workers import Workers
from fastkiq.printable import counted

_MOST: Final = 10_000
"""Entries that the workers look after, and this does,"""
_BUDGET: Final = 3.0
"""for so many seconds."""
_LATE: Final = 60.0
"""Seconds after which a tick should be a job: a process that holds it looks each second."""
_LATEST: Final = 1_000
"""Overdue entries that are told from those that nobody can read."""
_NAMED: Final = 5
_SHOWN: Final = 60
"""Characters of a name."""


@dataclass(slots=True)
class Schedule:
    """The recurring jobs, as far as time allowed."""

    count: int
    definitions: dict[str, Definition] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    """Why the others are none."""
    orphaned: list[str] = field(default_factory=list)
    """Those of code or files that no living process declares."""
    complete: bool = True

    @property
    def fine(self) -> Level:
        """What can be said where nothing was found."""
        return "ok" if self.complete else "unknown"

    @property
    def part(self) -> str:
        """What to say where not all were looked at."""
        looked = len(self.definitions) + len(self.unfit)
        return "" if self.complete else f" (the first {looked:,} of {self.count:,} looked at)"


def read(facts: Facts) -> Schedule | None:
    """None: they cannot be read."""
    count = facts.ask("HLEN", KEYS["redis"])
    names = facts.ask("HKEYS", KEYS["redis"]) if isinstance(count, int) and count <= _MOST else []
    if not isinstance(count, int) or not isinstance(names, list):
        return None
    schedule = Schedule(count, complete=count <= _MOST)
    alive = set(facts.ask("ZRANGE", "fastkiq:alive", 0, _MOST) or ())
    until = time.monotonic() + _BUDGET
    for raw_name in names:
        if time.monotonic() > until:
            schedule.complete = False
            break
        name = raw_name.decode("utf-8", "replace")
        try:
            found = _definition(facts, name, raw_name)
        except ValueError as error:
            schedule.unfit[name] = str(error)
            continue
        if found is None:
            continue  # removed meanwhile
        schedule.definitions[name] = found
        if found.source != "api" and not alive.intersection(facts.ask("HKEYS", KEYS["held"].format(name=name)) or ()):
            schedule.orphaned.append(name)
    return schedule


def _definition(facts: Facts, name: str, raw_name: bytes) -> Definition | None:
    length = facts.ask("HSTRLEN", KEYS["redis"], raw_name)
    if isinstance(length, int) and length > MAX_BYTES:
        raise ValueError(f"its {length:,} bytes are too many")
    raw = facts.ask("HGET", KEYS["redis"], raw_name)
    return Definition.of_entry(name, raw) if isinstance(raw, bytes) else None


def check(facts: Facts, workers: Workers) -> Iterator[Finding]:
    """All checks of recurring jobs."""
    schedule = read(facts)
    if schedule is None:
        found = "the recurring jobs cannot be read: a process of this user would run none"
        do = "allow it the keys fastkiq:cron* (ACL SETUSER ... ~fastkiq:cron*), and see `types`"
        yield Finding("recurring", "unknown", found, do)
        return
    yield _readable(schedule)
    yield _ticks(facts, schedule, workers)
    yield _orphaned(schedule)
    yield _served(schedule, workers)


def _readable(schedule: Schedule) -> Finding:
    if schedule.count > _MOST:
        found = f"{schedule.count:,} recurring jobs are more than {_MOST:,}: no process looks after them"
        return Finding("recurring", "warning", found, "find out who adds them, and remove what nobody meant")
    if schedule.unfit:
        name, why = next(iter(schedule.unfit.items()))
        jobs = counted(len(schedule.unfit), "recurring job")
        found = f"{jobs} that cannot be read{schedule.part}: {_listed(schedule.unfit)}. Of {name[:_SHOWN]!r}: {why}"
        do = "remove what nobody meant (fastkiq cron remove NAME); what a newer fastkiq has written, it also fires"
        return Finding("recurring", "warning", found, do)
    found = counted(len(schedule.definitions), "recurring job")
    return Finding("recurring", "ok", f"{found}{schedule.part}" if schedule.count else "no recurring jobs")


def _ticks(facts: Facts, schedule: Schedule, workers: Workers) -> Finding:
    now = facts.time()
    bound = f"{(now or 0) - _LATE:.6f}"
    late = facts.ask("ZRANGEBYSCORE", KEYS["next"], "-inf", bound, "WITHSCORES", "LIMIT", 0, _LATEST)
    if now is None or not isinstance(late, list):
        return Finding("ticks", "unknown", "the ticks that are due cannot be told", "allow TIME and ZRANGEBYSCORE")
    times = {name.decode("utf-8", "replace"): float(score) for name, score in zip(late[::2], late[1::2], strict=True)}
    overdue = {name: at for name, at in times.items() if name not in schedule.unfit}
    if not overdue:
        return Finding("ticks", "ok", "no tick is overdue")
    jobs = counted(len(overdue), "recurring job")
    span = now - min(overdue.values())
    whose = "its tick" if len(overdue) == 1 else "their ticks"
    found = f"{jobs} past {whose}, by up to {span:,.0f} s, with nobody to fire: {_listed(overdue)}"
    if workers.complete and not any(worker.is_ours for worker in workers.found):
        do = "start a process that declares them: fastkiq process MODULE"
    else:
        do = (
            "look at the log of a process that declares them: it says what Redis refuses (an ACL without "
            "fastkiq:cron*, a queue that is no list); where none declares them start one, without recurring = false"
        )
    return Finding("ticks", "critical", found, do)


def _orphaned(schedule: Schedule) -> Finding:
    if not schedule.orphaned:
        return Finding(
            "recurring-orphans", schedule.fine, f"every recurring job is declared by a process{schedule.part}"
        )
    jobs = counted(len(schedule.orphaned), "recurring job")
    found = f"{jobs} that no living process declares{schedule.part}: {_listed(schedule.orphaned)}"
    do = "start a process of the code that declares them, or nothing: they do not run, and are removed after a day"
    return Finding("recurring-orphans", "warning", found, do)


def _served(schedule: Schedule, workers: Workers) -> Finding:
    served = workers.served | workers.stopping
    lonely = {
        name: each.queue
        for name, each in schedule.definitions.items()
        if each.enabled and each.queue not in served and name not in schedule.orphaned
    }
    if not lonely:
        return Finding("recurring-queues", schedule.fine, f"all go to queues that somebody serves{schedule.part}")
    jobs = counted(len(lonely), "recurring job")
    listed = _listed([f"{name[:_SHOWN]} ({queue[:_SHOWN]})" for name, queue in lonely.items()], 2 * _SHOWN + 3)
    found = f"{jobs} whose queue nobody serves{schedule.part}: {listed}"
    do = f"start a process for them: fastkiq process MODULE -q {next(iter(lonely.values()))[:_SHOWN]}"
    return Finding("recurring-queues", "warning" if workers.complete else "unknown", found, do)


def _listed(names: Collection[str], shown: int = _SHOWN) -> str:
    """The first of them."""
    first = ", ".join(name[:shown] for name in list(names)[:_NAMED])
    return first if len(names) <= _NAMED else f"{first} and {len(names) - _NAMED:,} more"
