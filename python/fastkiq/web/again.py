"""A job once more, as a new one, with its arguments or with edited ones."""

from dataclasses import dataclass
from typing import Final

from fastkiq import _core, registry
from fastkiq.active_job import WRAPPERS
from fastkiq.api import run_again
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.options import is_queue
from fastkiq.web.arguments import FILTERED, hides_some, pretty_args
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

MOST: Final = 200_000
"""Characters of arguments that can be edited in a page: a form may have 1 MiB, and most characters take three bytes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a page offers."""

    text: str
    """The arguments as they are shown, or as somebody has typed them."""
    is_possible: bool = True
    is_editable: bool = True
    reason: str = ""
    """Why not."""
    error: str = ""
    """What is wrong with what was typed."""


def offer(job: Job) -> Offer:
    """Whether this job can be run again from here, and with other arguments."""
    text, is_cut = pretty_args(job, MOST)
    if not job.class_name or not isinstance(job.payload.get("args"), list) or not is_queue(job.queue):
        return Offer("", False, False, _("No job can be made of this: it lacks a class, arguments or a queue."))
    if job.payload.get("encrypt"):
        reason = _("The arguments of this job are encrypted: only the program that enqueued it can do so again.")
        return Offer("", False, False, reason)
    if job.payload.get("class") in WRAPPERS:
        return Offer(text, True, False, _("The arguments of a job of Active Job's can be changed in Rails only."))
    if is_cut:
        return Offer("", True, False, _("The arguments are too long to be edited here."))
    if hides_some(job):
        reason = _("Some arguments are not shown (%(filtered)s), so they cannot be edited here.", filtered=FILTERED)
        return Offer(text, True, False, reason)
    return Offer(text)


def run(job: Job, text: str | None) -> str:
    """Enqueues it, and answers the new jid. `text`: the arguments as they were typed.

    Raises ArgumentError, RedisError.
    """
    offered = offer(job)
    typed = None if text is None else text.replace("\r\n", "\n").strip()
    if not offered.is_possible:
        raise ArgumentError(offered.reason)
    if typed is None or typed == offered.text:
        return run_again(job, client=current().site.client)
    if not offered.is_editable:
        raise ArgumentError(offered.reason)
    return run_again(job, _parsed(job, typed), client=current().site.client)


def _parsed(job: Job, text: str) -> list[object]:
    try:
        args = _core.decode(text)
    except ValueError as error:
        raise ArgumentError(_("This is not JSON: %(said)s", said=str(error))) from None
    if not isinstance(args, list):
        raise ArgumentError(_("The arguments must be a list: [ ... ]"))
    entry = registry.find(job.class_name)
    if entry is not None and entry.signature is not None:
        entry.signature.take(args, {})
    return args
