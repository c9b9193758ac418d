"""The three sets as pages: where they are, what they are called, what can be done in them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastkiq.api import DeadSet, Entry, JobSet, RetrySet, ScheduledSet
from fastkiq.web.errors import BadRequest
from fastkiq.web.fingerprint import fingerprint
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

_JID: Final = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,199}")
_KEY: Final = re.compile(r"(-?[0-9][0-9.e+]{0,30}(?:e-[0-9]{1,3})?)-(.{1,1000})", re.DOTALL)
_DIGEST: Final = re.compile(r"@[0-9a-f]{24}")
_SAME_SCORE: Final = 1_000
"""Entries with one score among which one without a jid is looked for."""


@dataclass(frozen=True)
class SetPages:
    """One set and its pages."""

    path: str
    kind: type[JobSet]
    names: Sequence[str]
    """Names of its buttons, Sidekiq's."""
    fails: bool
    """Whether its jobs have failed: there are errors to show, and to group."""

    @property
    def title(self) -> str:
        """In the language of the request."""
        return {"/retries": _("Retries"), "/scheduled": _("Scheduled"), "/morgue": _("Dead")}[self.path]

    @property
    def jobs(self) -> JobSet:
        """The set in the site's Redis."""
        return self.kind(current().site.redis, config=current().site.config)


RETRIES: Final = SetPages("/retries", RetrySet, ("retry", "kill", "delete"), fails=True)
SCHEDULED: Final = SetPages("/scheduled", ScheduledSet, ("add_to_queue", "kill", "delete"), fails=False)
DEAD: Final = SetPages("/morgue", DeadSet, ("retry", "delete"), fails=True)
ALL: Final = (RETRIES, SCHEDULED, DEAD)


def of(jobs: JobSet) -> SetPages:
    """The pages of that set."""
    return next(each for each in ALL if each.kind.key == jobs.key)


def key_of(entry: Entry) -> str:
    """How pages address an entry: `score-jid` as Sidekiq's, or `score-@digest` where the jid is none, or no part of a
    path."""
    jid = entry.job.jid
    return entry.id if entry.is_whole and _JID.fullmatch(jid) else f"{entry.score!r}-{_digest(entry)}"


def find(pages: SetPages, key: str) -> Entry | None:
    """The entry with this key. Raises BadRequest for what is no key."""
    found = _KEY.fullmatch(key)
    score = _score(found[1]) if found else None
    if found is None or score is None:
        raise BadRequest(_("%(key)s is no address of a job: that is its score, a hyphen, and its ID.", key=key[:80]))
    jobs = pages.jobs
    entry = jobs.find(found[2], score)
    if entry is not None or not _DIGEST.fullmatch(found[2]):
        return entry
    cursor: str | None = f"{score!r}_b"
    for _part in range(_SAME_SCORE // 100):
        page = jobs.page(cursor, 100, order="next")
        for each in page.items:
            if each.score != score:
                return None
            if _digest(each) == found[2]:
                return each
        cursor = page.next
        if cursor is None:
            return None
    return None


def _digest(entry: Entry) -> str:
    return "@" + fingerprint(entry.job.raw if entry.is_whole else b"%d bytes" % entry.length)


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None
