"""Recurring jobs, to look at and to change while workers run."""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Unpack

from fastkiq import _core
from fastkiq import config as configuration
from fastkiq.api.connection import Redis, connect
from fastkiq.api.recurring_job import RecurringJob, Run, when
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, groups, text
from fastkiq.bound import JobOptions
from fastkiq.client import When, bound_of, epoch_of
from fastkiq.config import Config
from fastkiq.cron.definition import KEYS, MAX_BYTES, Definition, Missed, seconds_of
from fastkiq.errors import ArgumentError
from fastkiq.printable import printable
from fastkiq.worker import Worker

KEPT: Final = 100
"""Ticks of a history."""
_CRON: Final = KEYS["redis"]
_NEXT: Final = KEYS["next"]
_PAUSED: Final = KEYS["paused"]
_ORPHANS: Final = KEYS["orphans"]
_ALIVE: Final = "fastkiq:alive"
_spec: Final = attrgetter("enabled", "cron", "timezone", "every", "first_in", "interval", "at")
"""What decides when it comes, as `spec` of `definition.rs` has it: another one begins anew."""
_MOST: Final = 10_000
"""Names that are listed."""


class RecurringSet:
    """All recurring jobs. `redis` is a client of `connect()`.

    Those that classes and files declare can be paused and run by hand; those made by `add` can also be changed and
    removed. Any process of fastkiq makes the jobs, whether or not it runs them.
    """

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)
        self.config = config or configuration.default()

    def names(self, notes: list[str] | None = None) -> list[str]:
        """Of all, in order. `notes` gets what is left out, and why."""
        size = int(self.redis.hlen(_CRON))
        if size > _MOST:
            if notes is not None:
                notes.append(f"there are {size:,} recurring jobs, too many to be listed: somebody writes to {_CRON}")
            return []
        return sorted(text(name) for name in self.redis.hkeys(_CRON))

    def some(self, names: Sequence[str]) -> list[RecurringJob]:
        """Those of these names that are there."""
        found: list[RecurringJob] = []
        for part in groups(names, ANSWER // MAX_BYTES):
            own = [KEYS[each].format(name=name) for name in part for each in ("history", "held")]
            answers = run(self.redis, "recurring", [_CRON, _NEXT, _PAUSED, _ORPHANS, _ALIVE, *own], [MAX_BYTES, *part])
            found += [_recurring(name, *answer) for name, answer in zip(part, answers, strict=True) if answer[1]]
        return found

    def __iter__(self) -> Iterator[RecurringJob]:
        return iter(self.some(self.names()))

    def get(self, name: str) -> RecurringJob | None:
        """The one of this name."""
        return next(iter(self.some([name])), None)

    def upcoming(self, name: str, count: int = 10) -> list[datetime]:
        """Its next ticks, in UTC; fewer when there are no more, none while it is paused. Raises ArgumentError when
        there is no such one."""
        entry = self._existing(name)
        if entry.next is None or entry.definition is None or entry.is_paused:
            return []
        following = entry.next.timestamp()
        later = entry.definition.ticks(following, count - 1, following)
        return [entry.next, *(tick for each in later if (tick := when(each)) is not None)]

    def history(self, name: str, count: int = KEPT) -> list[Run]:
        """What became of its last ticks, the newest first."""
        stored = self.redis.lrange(_history(name), 0, count - 1)
        return [each for raw in stored if len(raw) <= 4096 and (each := Run.of(raw)) is not None]

    def pause(self, name: str) -> bool:
        """Its ticks pass without a job, also after deploys, until `resume`. False: it was paused. Raises ArgumentError
        when there is no such one."""
        self._existing(name)
        return bool(self.redis.sadd(_PAUSED, name))

    def resume(self, name: str) -> bool:
        """It runs again from its next tick on: what has passed is not made up for. False: it was not paused."""
        self._existing(name)
        return bool(self.redis.srem(_PAUSED, name))

    def run_now(self, name: str) -> str:
        """Enqueues one job of it, beside its ticks, and answers the jid. Raises ArgumentError."""
        entry = self._existing(name)
        found = entry.definition
        if found is None:
            raise ArgumentError(f"{printable(name, 200)} cannot be read: {entry.flaw}")
        jid = os.urandom(12).hex()
        now = time.time()
        payload = _core.encode(found.payload(jid, tick=now, now=now, compat=self.config.compat))
        keys = [_CRON, f"queue:{found.queue}", "queues", _history(name)]
        self._change("run_recurring", keys, name, entry.raw, payload, found.queue, jid, KEPT)
        return jid

    def add(
        self,
        name: str,
        worker: type[Worker] | str,
        /,
        *args: Any,
        cron: str | None = None,
        every: float | timedelta | None = None,
        first_in: float | timedelta | None = None,
        interval: float | timedelta | None = None,
        at: When | None = None,
        timezone: str = "UTC",
        missed: Missed = "once",
        description: str = "",
        enabled: bool = True,
        **job_options: Unpack[JobOptions],
    ) -> RecurringJob:
        """Makes a recurring job, or gives one that was made so another definition.

        Exactly one of `cron` (an expression of five fields, or six with seconds), `every`, `interval` and `at` (once)
        says when it comes. Spans are seconds or a timedelta: `every` from one tick to the next, whose first one
        `first_in` moves; `interval` from one enqueued job to the next. One that is not `enabled` is there and does not
        come. `job_options` are those of a Worker.

        Its ticks go on as they were, unless what is said about time is new. Raises ArgumentError for what makes no
        sense, and for a name that code or a file has.
        """
        target = bound_of(worker).set(**job_options)
        options = dict(target.options)
        try:
            definition = Definition(
                name=name,
                class_name=target.name,
                args=list(target.arguments(args, {})),
                queue=options.pop("queue"),
                cron=cron,
                every=seconds_of(every),
                first_in=seconds_of(first_in),
                interval=seconds_of(interval),
                at=None if at is None else epoch_of(at),
                timezone=timezone,
                missed=missed,
                description=description,
                enabled=enabled,
                options=options,
                source="api",
            )
        except ValueError as error:
            raise ArgumentError(f"{printable(name, 200)}: {error}") from None
        before = self.get(name)
        if before is not None and not before.can_change:
            raise ArgumentError(f"{_declared(before)}: change it there, or take another name")
        known, stored = (None, b"") if before is None else (before.definition, before.raw)
        next_tick = self._next(definition, known)
        self._change("add_recurring", [_CRON, _NEXT], name, stored, definition.to_json(), next_tick)
        return self._existing(name)

    def remove(self, name: str) -> None:
        """Takes one that was made by `add` away, with its history. Raises ArgumentError for others: what code or files
        declare would come back."""
        entry = self._existing(name)
        if not entry.can_change:
            raise ArgumentError(f"{_declared(entry)}: take it out there, or pause it here")
        own = [KEYS[each].format(name=name) for each in ("history", "held", "seen")]
        self._change("remove_recurring", [_CRON, _NEXT, _PAUSED, _ORPHANS, *own], name, entry.raw)

    def _existing(self, name: str) -> RecurringJob:
        entry = self.get(name)
        if entry is None:
            raise ArgumentError(f"there is no recurring job {printable(name, 200)!r}")
        return entry

    def _change(self, script: str, keys: list[str], name: str, *words: Any) -> None:
        if not run(self.redis, script, keys, [name, *words]):
            raise ArgumentError(f"{printable(name, 200)} was changed by somebody else just now: look again")

    def _next(self, definition: Definition, before: Definition | None) -> float | str:
        """Its next tick, by Redis's clock; "" where that stays as it is, "none" where none comes. Raises
        ArgumentError."""
        if before is not None and _spec(before) == _spec(definition):
            return ""
        if not definition.enabled:
            return "none"
        seconds, micros = self.redis.time()
        first = definition.first(seconds + micros / 1e6)
        if first is None and definition.at is not None:
            raise ArgumentError(f"{printable(definition.name, 200)}: at lies in the past, so it would never come")
        return "none" if first is None else first


def _declared(entry: RecurringJob) -> str:
    found = entry.definition
    where = "a configuration file" if found is not None and found.source == "file" else "a worker class"
    return f"{printable(entry.name, 200)} is declared by {where}"


def _history(name: str) -> str:
    return KEYS["history"].format(name=name)


def _recurring(
    name: str, raw: bytes, length: int, following: bytes, paused: int, last: bytes, orphaned: int, holders: int
) -> RecurringJob:
    definition, flaw = None, ""
    try:
        definition = Definition.of_entry(name, raw) if raw else None
    except ValueError as error:
        flaw = f"it cannot be read: {printable(error, 300)}"
    if not raw:
        flaw = f"its {length:,} bytes are too many to be read: it makes no jobs"
    # The mark comes with the next sweep of a process, which may be long in coming when none lives.
    is_orphaned = orphaned == 1 or (definition is not None and definition.source != "api" and not holders)
    return RecurringJob(name, definition, when(following), paused == 1, is_orphaned, Run.of(last), flaw, raw)
