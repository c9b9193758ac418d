"""One recurring job as it is seen: its definition, its next tick, and what has become of the last ones."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastkiq.api.values import moment, record
from fastkiq.cron.definition import Definition

HOW: Final = ("tick", "missed", "manual", "skipped", "paused")


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one tick."""

    tick: datetime
    """The moment at which it fell due."""
    at: datetime
    """When it was looked at, by Redis's clock."""
    jid: str | None
    """The job; None when the tick passed without one."""
    how: str
    """tick: on time; missed: later, by the policy; manual: by hand; skipped: too late, by the policy; paused."""

    @classmethod
    def of(cls, stored: object) -> "Run | None":
        """From the stored bytes; None when they are none."""
        found = record(stored)
        tick, at = when(found.get("tick")), when(found.get("at"))
        jid, how = found.get("jid"), found.get("how")
        if tick is None or at is None or how not in HOW:
            return None
        return cls(tick, at, jid if isinstance(jid, str) and jid else None, str(how))


@dataclass(frozen=True, slots=True)
class RecurringJob:
    """One recurring job."""

    name: str
    definition: Definition | None
    """None: what is stored cannot be read; `flaw` says why."""
    next: datetime | None
    """Its next tick; None when there is none to come."""
    is_paused: bool
    """Whether its ticks pass without a job."""
    is_orphaned: bool
    """Whether no living process declares it any more: it makes no jobs, and is removed after a day."""
    last: Run | None
    """The newest of its history."""
    flaw: str = ""
    """Why it has no definition; empty where it has one."""
    raw: bytes = b""
    """The stored definition."""

    @property
    def says(self) -> str:
        """When it comes, in English; empty when it cannot be read."""
        return "" if self.definition is None else self.definition.describe()

    @property
    def at(self) -> datetime | None:
        """When it comes, of one that comes once."""
        return None if self.definition is None else when(self.definition.at)

    @property
    def can_change(self) -> bool:
        """Whether it can be changed and removed: what code or files declare can only be paused."""
        return self.definition is None or self.definition.source == "api"


def facts(entry: RecurringJob) -> dict[str, Any]:
    """One as JSON documents have it, its moments aside."""
    found = entry.definition
    return {
        "name": entry.name,
        "schedule": entry.says,
        "class": found.class_name if found else None,
        "queue": found.queue if found else None,
        "args": found.args if found else None,
        "cron": found.cron if found else None,
        "every": found.every if found else None,
        "first_in": found.first_in if found else None,
        "interval": found.interval if found else None,
        "timezone": found.timezone if found else None,
        "missed": found.missed if found else None,
        "source": found.source if found else None,
        "description": found.description if found else None,
        "enabled": found.enabled if found else None,
        "paused": entry.is_paused,
        "orphaned": entry.is_orphaned,
        "flaw": entry.flaw or None,
    }


def when(value: object) -> datetime | None:
    """Epoch seconds from Redis as a moment in UTC; None for what is none."""
    epoch = moment(value)
    try:
        return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    except (ValueError, OverflowError, OSError):
        return None
