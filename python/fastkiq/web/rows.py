"""Entries as the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastkiq.api import Entry, error_text
from fastkiq.web.arguments import shown_args, unreadable
from fastkiq.web.attempts import attempts
from fastkiq.web.formats import size
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import SetPages, key_of
from fastkiq.web.view import current

_MOST_TAGS: Final = 20
_LONGEST: Final = 250
"""Characters of an error in a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry."""

    key: str
    url: str
    """Of its own page."""
    about: str
    """Names it for those who hear the page."""
    at: datetime | None
    retries: str
    queue: str
    class_name: str
    args: str
    tags: Sequence[str]
    error_class: str
    error: str
    is_whole: bool


def row(pages: SetPages, entry: Entry) -> Row:
    """The entry as it is shown there."""
    job = entry.job
    key = key_of(entry)
    if not entry.is_whole:
        name = _("An entry of %(size)s, too long to be shown", size=size(entry.length))
    else:
        name = cut(job.class_name, 120) or _("No job")
    return Row(
        key=key,
        url=current().url(pages.path, key),
        about=f"{name} {cut(job.jid, 100)}",
        at=entry.at,
        retries=attempts(job).retries if job.payload and pages.fails else "",
        queue=cut(job.queue, 100),
        class_name=name,
        args=shown_args(job) if job.payload else cut(unreadable(job), 200),
        tags=[cut(tag, 60) for tag in job.tags[:_MOST_TAGS]],
        error_class=cut(job.error_class or "", 100),
        error=cut(error_text(job), _LONGEST),
        is_whole=entry.is_whole,
    )


def cut(text: str, most: int) -> str:
    """So many characters of it; an ellipsis says that there are more."""
    return text if len(text) <= most else text[: most - 1] + "…"
