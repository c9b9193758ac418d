"""Checks of the jobs that wait: whether anybody will take them, and when."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from fastkiq.doctor.facts import Facts
from fastkiq.doctor.finding import Finding
from fastkiq.doctor.workers import Workers, members
from fastkiq.job import Job
from fastkiq.printable import counted

_MOST: Final = 10_000
"""Queues that are looked at,"""
_BUDGET: Final = 3.0
"""and seconds in which that has to be done."""
_SAMPLE: Final = 200
"""Jobs of a sorted set that are looked at, the next first,"""
_BYTES: Final = 16 * 1024 * 1024
"""and bytes of them, about."""
_LATE: Final = 60.0
"""Seconds after which a job that is due should be in its queue; pollers look each second, Sidekiq's several."""
_SUSPECTS: Final = 1_000
_NAMED: Final = 5
_TYPES: Final = {
    "set": ("queues", "paused", "processes", "fastkiq:cron:paused"),
    "zset": ("schedule", "retry", "dead", "fastkiq:alive", "fastkiq:tombs", "fastkiq:cron:next"),
    "hash": ("fastkiq:suspects", "fastkiq:cron", "fastkiq:cron:orphans"),
    "string": ("stat:processed", "stat:failed", "fastkiq:cron:swept"),
}


@dataclass(slots=True)
class Waiting:
    """The queues with their sizes."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Of those that hold jobs."""
    broken: list[str] = field(default_factory=list)
    """Keys that are no lists."""
    looked: int = 0
    complete: bool = True
    hidden: bool = False
    """Some or all of it cannot be asked for."""

    @property
    def part(self) -> str:
        """What to say where not all were looked at."""
        return "" if self.complete else f" (the first {self.looked:,} looked at)"


def read(facts: Facts) -> Waiting:
    """The queues that are known, as far as time allows."""
    names, complete = members(facts, "queues", _MOST)
    waiting = Waiting(complete=complete, hidden=names is None)
    until = time.monotonic() + _BUDGET
    for raw in names or ():
        if time.monotonic() > until:
            waiting.complete = False
            break
        waiting.looked += 1
        size = facts.ask("LLEN", b"queue:" + raw)
        name = raw.decode("utf-8", "replace")
        if not isinstance(size, int):
            kind = facts.ask("TYPE", b"queue:" + raw)
            if kind in (None, "list", "none"):
                waiting.hidden = True
            else:
                waiting.broken.append(f"queue:{name} (a {kind})")
        elif size:
            waiting.sizes[name] = size
    return waiting


def check(facts: Facts, workers: Workers) -> Iterator[Finding]:
    """All checks of jobs that wait."""
    waiting = read(facts)
    yield _unserved(waiting, workers)
    yield _paused(facts, waiting)
    yield _later(facts, workers)
    yield _unknown(facts)
    yield _overdue(facts)
    yield _suspects(facts)
    yield _types(facts, waiting)


def _unserved(waiting: Waiting, workers: Workers) -> Finding:
    served, stopping = workers.served, workers.stopping
    lonely = {name: size for name, size in waiting.sizes.items() if name not in served}
    if not lonely and waiting.hidden:
        return Finding("queues", "unknown", "the queues cannot be read", "allow SSCAN and LLEN, and see `types`")
    if not lonely:
        return Finding("queues", "ok", f"every queue that holds jobs is served{waiting.part}")
    largest = sorted(lonely, key=lambda name: -lonely[name])
    listed = ", ".join(f"{name} ({lonely[name]:,})" for name in largest[:_NAMED])
    more = "" if len(largest) <= _NAMED else f" and {len(largest) - _NAMED:,} more"
    jobs = counted(sum(lonely.values()), "job")
    if not workers.complete:
        found = f"{jobs} in queues that none of the processes looked at serves: {listed}{more}{waiting.part}"
        return Finding("queues", "unknown", found, "see fastkiq busy")
    if all(name in stopping for name in lonely):
        found = f"{jobs} in queues whose processes take no more: {listed}{more}{waiting.part}"
        return Finding("queues", "warning", found, "start the processes that follow the ones that stop")
    found = f"{jobs} in queues that nobody serves: {listed}{more}{waiting.part}"
    return Finding("queues", "critical", found, f"start a process for them: fastkiq process MODULE -q {largest[0]}")


def _paused(facts: Facts, waiting: Waiting) -> Finding:
    names, _ = members(facts, "paused", _MOST)
    if names is None:
        return Finding("paused", "unknown", "the set of paused queues cannot be read", "allow SSCAN, and see `types`")
    paused = {raw.decode("utf-8", "replace") for raw in names}
    held = {name: size for name, size in waiting.sizes.items() if name in paused}
    if not held:
        return Finding("paused", "ok", "no paused queue holds jobs" if paused else "no queue is paused")
    listed = ", ".join(f"{name} ({size:,})" for name, size in list(held.items())[:_NAMED])
    found = f"{counted(sum(held.values()), 'job')} in paused queues: {listed}"
    return Finding("paused", "warning", found, "resume them when the reason is gone: fastkiq queue resume NAME")


def _later(facts: Facts, workers: Workers) -> Finding:
    served = workers.served | workers.stopping
    lonely: dict[str, int] = {}
    looked = 0
    for key in ("schedule", "retry"):
        for raw in _sample(facts, key):
            if raw is None:
                found = f"the sorted set {key} cannot be read"
                return Finding("scheduled-queues", "unknown", found, "allow ZRANGE, and see `types`")
            looked += 1
            queue = Job.from_bytes(raw).queue
            if queue not in served:
                lonely[queue] = lonely.get(queue, 0) + 1
    if not looked:
        return Finding("scheduled-queues", "ok", "nothing waits in schedule or retry")
    part = f"of the next {counted(looked, 'job')} in schedule and retry"
    if not lonely:
        return Finding("scheduled-queues", "ok", f"{part} all are for queues that somebody serves")
    listed = ", ".join(f"{name} ({size:,})" for name, size in list(lonely.items())[:_NAMED])
    found = (
        f"{part} {sum(lonely.values()):,} {'is' if sum(lonely.values()) == 1 else 'are'} for queues that nobody serves"
    )
    do = f"start a process for them before they fall due: fastkiq process MODULE -q {next(iter(lonely))}"
    return Finding("scheduled-queues", "warning" if workers.complete else "unknown", f"{found}: {listed}", do)


def _unknown(facts: Facts) -> Finding:
    names: dict[str, int] = {}
    for raw in _sample(facts, "retry"):
        if raw is None:
            return Finding("classes", "unknown", "the sorted set retry cannot be read", "allow ZRANGE, and see `types`")
        job = Job.from_bytes(raw)
        if job.payload.get("error_class") == "fastkiq.UnknownWorker":
            names[job.class_name] = names.get(job.class_name, 0) + 1
    if not names:
        return Finding("classes", "ok", "no job is seen to wait for a process that knows its class")
    listed = ", ".join(f"{name} ({size:,})" for name, size in list(names.items())[:_NAMED])
    found = (
        f"of the next jobs in retry {sum(names.values()):,} have met a process that does not know their class: {listed}"
    )
    do = "load the modules that define them wherever their queues are served, or leave those queues to who knows them"
    return Finding("classes", "warning", found, do)


def _sample(facts: Facts, key: str) -> Iterator[bytes | None]:
    """Its next jobs, no more than ten at once, since each may be large. None: it cannot be read."""
    read = size = 0
    while read < _SAMPLE and size < _BYTES:
        page = facts.ask("ZRANGE", key, read, read + 9)
        if not isinstance(page, list):
            yield None
            return
        if not page:
            return
        read += len(page)
        size += sum(map(len, page))
        yield from page


def _overdue(facts: Facts) -> Finding:
    now = facts.time()
    late: list[tuple[float, str]] = []
    for key in ("schedule", "retry"):
        answer = None if now is None else facts.ask("ZCOUNT", key, "-inf", f"{now - _LATE:.6f}")
        if now is None or not isinstance(answer, int):
            return Finding("overdue", "unknown", f"what is due in {key} cannot be told", "allow TIME and ZCOUNT")
        if answer:
            late.append((_age(facts, key, now), f"{counted(answer, 'job')} in {key}"))
    if not late:
        return Finding("overdue", "ok", "no job waits in schedule or retry past its time")
    found = f"{' and '.join(text for _, text in late)} past their time, by up to {_span(max(late)[0])}"
    do = "start a process, whatever queue it serves: each moves what is due (fastkiq process MODULE)"
    return Finding("overdue", "critical", f"{found}: nobody moves them", do)


def _age(facts: Facts, key: str, now: float) -> float:
    first = facts.ask("ZRANGE", key, 0, 0, "WITHSCORES")
    try:
        return now - float(first[1])
    except (TypeError, ValueError, IndexError):
        return _LATE


def _span(seconds: float) -> str:
    for size, noun in ((365 * 86_400, "years"), (86_400, "days")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {noun}"
    return f"{seconds:,.0f} s"


def _suspects(facts: Facts) -> Finding:
    count = facts.ask("HLEN", "fastkiq:suspects")
    if not isinstance(count, int):
        return Finding("suspects", "unknown", "the suspects cannot be read", "allow HLEN and HSCAN, and see `types`")
    if not count:
        return Finding("suspects", "ok", "no job is suspected of killing processes")
    answer = facts.ask("HSCAN", "fastkiq:suspects", 0, "COUNT", _SUSPECTS)
    marks: Iterable[bytes] = answer[1][1::2] if isinstance(answer, list) else ()
    twice = sum(not mark.startswith((b"0:", b"1:")) for mark in marks)
    if twice:
        found = f"{counted(twice, 'job')} ran at two deaths of a process: a third one sends such a job to the dead set"
        return Finding("suspects", "warning", found, "look at what they do (HGETALL fastkiq:suspects has their jids)")
    found = f"{counted(count, 'job')} in flight when a process died: each runs again, and is watched"
    return Finding("suspects", "info", found, "nothing, unless it happens again")


def _types(facts: Facts, waiting: Waiting) -> Finding:
    wrong = list(waiting.broken)
    unknown = False
    for wanted, names in _TYPES.items():
        for name in names:
            kind = facts.ask("TYPE", name)
            unknown = unknown or kind is None
            if kind not in (wanted, "none", None):
                wrong.append(f"{name} (a {kind})")
    if wrong:
        found = f"{counted(len(wrong), 'key')} of a wrong type: {', '.join(wrong[:_NAMED])}"
        return Finding(
            "types", "critical", found, "rename it: another program uses this database, or a name was mistyped"
        )
    if unknown:
        return Finding("types", "unknown", "the types of keys cannot be asked for", "allow the command TYPE")
    return Finding("types", "ok", "all known keys are of the right type")
