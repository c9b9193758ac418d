"""Recurring jobs as the command line shows them: rows of tables and of JSON, and the facts of one."""

from collections.abc import Sequence
from typing import Any, Final

from fastkiq.api import RecurringJob, Run
from fastkiq.api.recurring_job import facts
from fastkiq.cli.forms import arguments, moment, plain
from fastkiq.cli.rows import Row, time_row
from fastkiq.cli.table import Column

_SOURCES: Final = {"code": "a worker class", "file": "a configuration file", "api": "API or command line"}


def row(entry: RecurringJob) -> Row:
    """One of them."""
    return {
        **facts(entry),
        "schedule": entry.says or entry.flaw,
        "at": time_row(entry.at),
        "next": time_row(entry.next),
        "last": run_row(entry.last) if entry.last else None,
    }


def run_row(run: Run) -> Row:
    """What became of one tick."""
    return {"tick": time_row(run.tick), "at": time_row(run.at), "jid": run.jid, "how": run.how}


def labelled(entry: RecurringJob) -> list[tuple[str, str]]:
    """Its facts for people, each with its label."""
    found = entry.definition
    facts = [("Name", entry.name), ("Schedule", entry.says or entry.flaw)]
    if found is not None:
        facts += [("Expression", f"{found.cron} ({found.timezone})")] if found.cron else []
        facts += [("Class", found.class_name)]
        facts += [("Arguments", arguments(found.args))] if found.args else []
        facts += [("Queue", found.queue), ("Missed", found.missed), ("Declared by", _SOURCES[found.source])]
        facts += [("About", found.description)] if found.description else []
    facts += [("State", ", ".join(_states(entry)) or "active")]
    return facts


def _states(entry: RecurringJob) -> list[str]:
    states = ["paused"] if entry.is_paused else []
    states += ["orphaned: no living process declares it"] if entry.is_orphaned else []
    states += ["disabled"] if entry.definition is not None and not entry.definition.enabled else []
    return states + (["unreadable"] if entry.definition is None else [])


def _due(time: Row | None) -> str:
    return "" if time is None else moment(time["epoch"])


def _last(run: Row | None) -> str:
    return "" if run is None else f"{_due(run['tick'])}{'' if run['how'] == 'tick' else ' (' + run['how'] + ')'}"


def _enabled(enabled: Any) -> str:
    return "disabled" if enabled is False else ""


ENTRIES: Final[Sequence[Column]] = (
    Column("Name", "name", plain),
    Column("Next", "next", _due),
    Column("Last", "last", _last),
    Column("Class", "class", plain),
    Column("Queue", "queue", plain, spare=True),
    Column("", "paused", lambda paused: "paused" if paused else ""),
    Column("", "orphaned", lambda orphaned: "orphaned" if orphaned else ""),
    Column("", "enabled", _enabled),
    Column("Schedule", "schedule", plain, free=True),
)
HISTORY: Final[Sequence[Column]] = (
    Column("Due", "tick", lambda time: "" if time is None else time["iso"]),
    Column("", "how", plain),
    Column("Jid", "jid", plain),
    Column("Enqueued", "at", _due),
)
