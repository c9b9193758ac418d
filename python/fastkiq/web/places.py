"""Where a job is, as its page shows it: in one of the sets, in a queue, in a process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastkiq.api import Entry, Work, progress
from fastkiq.job import Job
from fastkiq.web.attempts import Moment, which
from fastkiq.web.formats import moment
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import DEAD, RETRIES, SetPages, key_of
from fastkiq.web.process_rows import progress_text
from fastkiq.web.rows import cut
from fastkiq.web.view import current
from fastkiq.web.words import button_words, question


@dataclass(frozen=True, slots=True)
class Place:
    """One place."""

    name: str
    list_url: str
    url: str
    """Of the job's page there."""
    moments: Sequence[Moment]
    """The end of its timeline: where it is now."""
    buttons: Sequence[tuple[str, str, str]] = ()
    """Name, label, question."""
    reschedule: str = ""
    """Where another time is posted to; empty: it has none."""
    facts: Sequence[tuple[str, str]] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """What its forms and links carry, so that it is found again at once."""


def in_set(pages: SetPages, entry: Entry) -> Place:
    """In one of the sets."""
    here, url = current(), current().url(pages.path, key_of(entry))
    buttons = [(name, button_words(pages, name), question(name, 1)) for name in pages.names]
    if pages is DEAD:
        moments = [Moment(_("Died"), entry.at, kind="error")]
    elif pages is RETRIES:
        moments = [Moment(_("Runs next"), entry.at, kind="next", note=which(entry.job, 1))]
    else:
        moments = [Moment(_("Due"), entry.at, kind="next")]
    reschedule = f"{url}/reschedule" if pages is not DEAD and entry.is_whole else ""
    return Place(pages.title, here.url(pages.path), url, moments, buttons, reschedule)


def in_queue(job: Job, near: str = "") -> Place:
    """Waiting; `near` is the cursor behind which it was seen."""
    here = current()
    name = cut(job.queue, 200)
    url = here.url("/queues", job.queue, job.jid)
    moments = [Moment(_("Waits for a process"), None, kind="next", note=which(job, 1))]
    buttons = [("delete", _("Delete"), question("delete", 1))]
    fields = {"near": near} if near else {}
    return Place(_("Queue %(name)s", name=name), here.url("/queues", job.queue), url, moments, buttons, fields=fields)


def in_process(work: Work) -> Place:
    """Running, by the last heartbeat of its process."""
    here = current()
    note = _("%(which)s, by the last heartbeat of its process", which=which(work.job, 1))
    moments = [Moment(_("Runs since"), moment(work.run_at), kind="next", note=note)]
    told = progress_text(progress([work.job.jid], here.site.redis).get(work.job.jid))
    facts = [(_("Process"), cut(work.process, 200)), (_("Thread"), cut(work.thread, 100))]
    facts += [(_("Progress"), told)] if told else []
    return Place(_("Busy"), here.url("/busy"), here.url("/busy/jobs", work.job.jid), moments, (), "", facts)
