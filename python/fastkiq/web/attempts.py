"""What a job's payload tells of its attempts: how many of how many, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Literal

from fastkiq import registry
from fastkiq.job import Job
from fastkiq.retry import terms
from fastkiq.web.formats import duration, number
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.view import current

Kind = Literal["past", "error", "next"]
_EVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often it was tried, and how often it may be."""

    failed: int
    """Failures that count."""
    most: int | None
    """Attempts at most; None: by time, or as often as it fails."""
    by_time: float | None
    """Seconds from the first failure during which it is tried again."""

    @property
    def retries(self) -> str:
        """`3 of 25`, of retries, as tables show it."""
        done = number(max(0, self.failed - 1))
        if self.most is not None:
            return _("%(done)s of %(most)s", done=done, most=number(max(0, self.most - 1)))
        if self.by_time is not None:
            return _("%(done)s, for %(time)s", done=done, time=duration(self.by_time))
        return done


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of the timeline."""

    label: str
    at: datetime | None
    """None: nothing tells when."""
    span: str = ""
    """How long after the point before."""
    kind: Kind = "past"
    note: str = ""


def attempts(job: Job) -> Attempts:
    """By the payload, by the worker's own options where it is known in this process, and by the configuration here."""
    entry = registry.find(job.class_name)
    options = entry.options if entry is not None else {}
    said = terms(job.payload, options, 0.0, current().site.config.max_retries, 0)
    most = 1 if said.retries is None else said.retries + 1
    return Attempts(said.count, None if said.retry_for is not None else most, said.retry_for)


def timeline(job: Job, last: Sequence[Moment]) -> list[Moment]:
    """From its creation on, with `last` (when it runs next, when it died) at the end."""
    tried = attempts(job)
    moments = [Moment(_("Created"), job.created_at), Moment(_("Enqueued"), job.enqueued_at)]
    if job.failed_at is not None:
        moments.append(Moment(_("Failed for the first time"), job.failed_at, kind="error", note=_unknown(tried)))
    if job.retried_at is not None:
        moments.append(Moment(_("Failed for the last time"), job.retried_at, kind="error", note=which(job, 0)))
    known = [each for each in moments if each.at is not None]
    return _with_spans([*sorted(known, key=lambda each: each.at or _EVER), *last])


def which(job: Job, further: int) -> str:
    """`attempt 3 of 26`: the last that failed, or one `further`."""
    tried = attempts(job)
    attempt = tried.failed + further
    # One that was put into its queue by hand, or whose worker allows fewer now, may be past the end.
    if tried.most is None or attempt > tried.most:
        return _("attempt %(number)s", number=number(attempt))
    return _("attempt %(number)s of %(most)s", number=number(attempt), most=number(tried.most))


def _unknown(tried: Attempts) -> str:
    if tried.failed <= 2:
        return ""
    return ngettext(
        "After it %(count)s more attempt failed whose time is not kept.",
        "After it %(count)s more attempts failed whose times are not kept.",
        tried.failed - 2,
    )


def _with_spans(moments: Sequence[Moment]) -> list[Moment]:
    spans = [""]
    for before, after in pairwise(moments):
        seconds = (after.at - before.at).total_seconds() if after.at and before.at else None
        spans.append("" if seconds is None or seconds < 0 else _("%(time)s later", time=duration(seconds)))
    return [replace(each, span=span) for each, span in zip(moments, spans, strict=True)]
