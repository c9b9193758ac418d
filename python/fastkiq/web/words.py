"""The actions on entries, and what pages say about them."""

from dataclasses import dataclass
from typing import Final

from fastkiq.api import Outcome
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.job_sets import SCHEDULED, SetPages


@dataclass(frozen=True, slots=True)
class Action:
    """What a button does."""

    deed: str
    """As the inspection API calls it."""
    asks: bool
    """Whether it is asked about first, even for one entry."""


ACTIONS: Final = {
    "retry": Action("retry", asks=False),
    "add_to_queue": Action("enqueue", asks=False),
    "kill": Action("kill", asks=False),
    "delete": Action("delete", asks=True),
}
"""By the names of Sidekiq's buttons."""


def button_words(pages: SetPages, name: str, *, every: bool = False) -> str:
    """What stands on a button; `every` for all entries that match."""
    if every:
        return {
            "retry": _("Retry all"),
            "add_to_queue": _("Add all to their queues"),
            "kill": _("Kill all"),
            "delete": _("Delete all"),
        }[name]
    if pages is SCHEDULED and name == "add_to_queue":
        return _("Add to queue")
    return {"retry": _("Retry now"), "kill": _("Kill"), "delete": _("Delete")}[name]


def question(name: str, count: int | None) -> str:
    """What is asked before; empty when nothing needs to be. `count`: of the entries that are ticked."""
    if not ACTIONS[name].asks:
        return ""
    if count is None:
        return _("Delete the ticked jobs? They cannot be brought back.")
    return ngettext(
        "Delete this job? It cannot be brought back.",
        "Delete these %(count)s jobs? They cannot be brought back.",
        count,
    )


def done_words(name: str, outcome: Outcome) -> str:
    """What was done, to how many, and what was not and why."""
    done = outcome.done
    said = {
        "retry": ngettext("%(count)s job is in its queue now.", "%(count)s jobs are in their queues now.", done),
        "kill": ngettext("%(count)s job is dead now.", "%(count)s jobs are dead now.", done),
        "delete": ngettext("%(count)s job was deleted.", "%(count)s jobs were deleted.", done),
    }
    parts = [said["retry" if name == "add_to_queue" else name]]
    if outcome.gone:
        parts.append(ngettext("%(count)s was gone already.", "%(count)s were gone already.", outcome.gone))
    if outcome.refused:
        stayed = ngettext("%(count)s stayed where it is:", "%(count)s stayed where they are:", outcome.refused)
        parts.append(f"{stayed} {'; '.join(outcome.reasons)}.")
    return " ".join(parts)
