"""What can be asked of processes: Sidekiq's form of the page Busy, and the stacks of fastkiq's jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Process, ProcessSet, ask_for_stacks, stacks
from fastkiq.web.audit import audit
from fastkiq.web.confirmation import CONFIRM, ask
from fastkiq.web.errors import BadRequest
from fastkiq.web.flash import LIVE, see_other
from fastkiq.web.i18n import gettext as _
from fastkiq.web.i18n import ngettext
from fastkiq.web.process_rows import OTHERS_BEAT, beat_of, process_name, process_url, thread_url
from fastkiq.web.query import field
from fastkiq.web.security.form_token import FIELD
from fastkiq.web.view import current

ACTIONS: Final = ("quiet", "stop", "dump", "stacks")


@dataclass(frozen=True, slots=True)
class _Deed:
    question: str
    """Asked first; empty: it does no harm."""
    do: Callable[[Process], None]
    told: str


def signalled(request: Request) -> Response:
    """`identity` and one of quiet, stop, dump and stacks; without an identity quiet and stop mean all processes."""
    names = {name for name, _value in current().form}
    wanted = [name for name in ACTIONS if name in names]
    if len(wanted) != 1:
        raise BadRequest(_("The form must have one of: %(choices)s.", choices=", ".join(ACTIONS)))
    identity = field("identity")
    if not identity:
        if any(name == "identity" for name, _value in current().form):  # a program's empty variable means no process
            raise BadRequest(_("%(name)s is empty: give it a value, or leave it out.", name="identity"))
        for name in sorted(names - {*ACTIONS, FIELD, CONFIRM, "authenticity_token"}):  # nor does a misspelt one
            known = ", ".join(("identity", *ACTIONS))
            raise BadRequest(_("There is no field '%(name)s' here; there are: %(names)s", name=name[:100], names=known))
        return _all(request, wanted[0])
    process = ProcessSet(current().site.redis).get(identity)
    if process is None:
        return see_other(current().url("/busy"), _("This process is gone: there was nobody to ask."), "warning")
    return _stacks(request, process) if wanted[0] == "stacks" else _one(request, wanted[0], process)


def _one(request: Request, action: str, process: Process) -> Response:
    name, back = process_name(process), _back(process)
    if process.is_embedded:
        told = _("%(process)s runs inside of another program, which alone may end it.", process=name)
        return see_other(back, told, "error")
    deed = _deed(action, name)
    if deed.question and (asked := ask(deed.question, back)):
        return asked
    deed.do(process)
    audit(request, action, process=process.identity, count=1)
    return see_other(back, f"{deed.told} {_soon(process)}")


def _deed(action: str, name: str) -> _Deed:
    if action == "quiet":
        question = _(
            "Quiet %(process)s? It finishes what runs and takes no more jobs. There is no way back but a restart.",
            process=name,
        )
        return _Deed(question, Process.quiet, _("%(process)s was asked to take no more jobs.", process=name))
    if action == "stop":
        question = _("Stop %(process)s? Jobs that still run at its deadline go back to their queues.", process=name)
        return _Deed(question, Process.stop, _("%(process)s was asked to stop.", process=name))
    told = _("%(process)s was asked to write the stacks of all its threads to its log.", process=name)
    return _Deed("", Process.dump, told)


def _stacks(request: Request, process: Process) -> Response:
    """Pages that are looked at ask again and again: the audit log has the first time of a minute."""
    name, redis = process_name(process), current().site.redis
    if not process.is_fastkiq:
        told = _("%(process)s runs %(version)s, which can only log its stacks.", process=name, version=process.version)
        return see_other(_back(process), told, "error")
    is_first = stacks(redis, process.identity, "") is None
    ask_for_stacks(redis, process)
    if is_first:
        audit(request, "stacks", process=process.identity, count=1)
    if LIVE in request.headers:
        return Response(status_code=204)
    return see_other(_back(process), f"{_('%(process)s was asked for its stacks.', process=name)} {_soon(process)}")


def _all(request: Request, action: str) -> Response:
    back = current().url("/busy")
    if action not in ("quiet", "stop"):
        raise BadRequest(_("The form must name a process: identity."))
    question = (
        _("Quiet all processes? They finish what runs and take no more jobs. There is no way back but a restart.")
        if action == "quiet"
        else _("Stop all processes? Jobs that still run at the deadline go back to their queues.")
    )
    if asked := ask(question, back):
        return asked
    processes = ProcessSet(current().site.redis)
    done = processes.quiet() if action == "quiet" else processes.stop()
    left = max(0, processes.totals()[0] - done)
    audit(request, action, process="all", count=done)
    return see_other(back, " ".join(_told_of_all(action, done, left)), "ok" if done else "warning")


def _told_of_all(action: str, done: int, left: int) -> list[str]:
    told = [
        ngettext(
            "%(count)s process was asked to take no more jobs.",
            "%(count)s processes were asked to take no more jobs.",
            done,
        )
        if action == "quiet"
        else ngettext("%(count)s process was asked to stop.", "%(count)s processes were asked to stop.", done)
    ]
    if done:
        told.append(_("They hear that at their next heartbeats, within %(seconds)s s.", seconds=OTHERS_BEAT))
    if left:
        told.append(
            ngettext(
                "%(count)s runs inside of another program, which alone may end it.",
                "%(count)s run inside of other programs, which alone may end them.",
                left,
            )
        )
    return told


def _back(process: Process) -> str:
    """Where the form was: a thread's page, that of the process, or the list."""
    page, url = field("page"), process_url(process.identity)
    if page == "thread":
        url = thread_url(url, field("thread"), field("jid"))
    return (url if page else "") or current().url("/busy")


def _soon(process: Process) -> str:
    return _("It hears that at its next heartbeat, within %(seconds)s s.", seconds=beat_of(process))


routes: Final[list[BaseRoute]] = [Route("/busy", signalled, methods=["POST"])]
