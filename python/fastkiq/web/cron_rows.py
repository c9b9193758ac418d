"""Recurring jobs as the pages show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastkiq.api import RecurringJob, Run
from fastkiq.job import Job
from fastkiq.printable import printable
from fastkiq.web.arguments import shown_args
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One recurring job."""

    entry: RecurringJob
    name: str
    """As it is shown."""
    url: str
    """Of its page; empty when no path can name it."""
    says: str
    """Its schedule in words; empty when it cannot be read."""
    last: "HistoryRow | None"

    @property
    def question(self) -> str:
        """Asked before it is removed."""
        return _("Remove the recurring job %(name)s for good?", name=self.name)

    @property
    def badges(self) -> list[tuple[str, str]]:
        """Text and kind of each."""
        found: list[tuple[str, str]] = []
        if self.entry.definition is None:
            found.append((_("Unreadable"), "error"))
        elif not self.entry.definition.enabled:
            found.append((_("Disabled"), "neutral"))
        if self.entry.is_paused:
            found.append((_("Paused"), "warning"))
        if self.entry.is_orphaned:
            found.append((_("Nobody declares it any more"), "warning"))
        return found

    @property
    def args(self) -> str:
        """The arguments of its jobs, as tables of jobs show them."""
        job = job_of(self.entry)
        return shown_args(job) if job else ""

    @property
    def source(self) -> str:
        """Where it is declared."""
        named = {"code": _("A worker class"), "file": _("A configuration file"), "api": _("API or command line")}
        return named.get(self.entry.definition.source, "") if self.entry.definition else ""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What became of a tick."""

    tick: datetime
    at: datetime
    jid: str
    url: str
    """Where the job is looked for; empty without one."""
    label: str
    kind: str


def job_of(entry: RecurringJob) -> Job | None:
    """The job that a tick would make; None of an entry that cannot be read."""
    found = entry.definition
    return Job.of_payload(found.payload("", tick=0, now=0, compat=None), b"") if found else None


def row(entry: RecurringJob) -> Row:
    """One of the listing."""
    view = current()
    can_be_named = "/" not in entry.name and entry.name not in ("", ".", "..")
    return Row(
        entry,
        printable(entry.name, 200),
        view.url("/cron", entry.name) if can_be_named else "",
        printable(entry.says, _LONGEST),
        history_row(entry.last) if entry.last else None,
    )


def history_row(run: Run) -> HistoryRow:
    """One of the history."""
    labels = {
        "tick": (_("On time"), "ok"),
        "missed": (_("Late"), "warning"),
        "manual": (_("By hand"), "info"),
        "skipped": (_("Skipped"), "neutral"),
        "paused": (_("Paused"), "neutral"),
    }
    label, kind = labels[run.how]
    url = current().url("/search", q=run.jid) if run.jid else ""
    return HistoryRow(run.tick, run.at, printable(run.jid or "", 40), url, label, kind)
