"""The JSON API, where it changes something: by POST, with a bearer token or from our own pages; docs/web-api.md."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.api import Entry, Outcome
from fastkiq.web import filters, grouping
from fastkiq.web.audit import audit, audit_sweep
from fastkiq.web.cursors import inward, outward
from fastkiq.web.documents import outcome_document
from fastkiq.web.errors import BadRequest, NotFound, Refused
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import SetPages, find
from fastkiq.web.json_body import answered, given, keys_of, text_of
from fastkiq.web.pages.api_reading import MOST_CURSOR, SETS
from fastkiq.web.queue_deeds import DEEDS, delete_jobs, do
from fastkiq.web.view import current

_SECONDS: Final = 2.0
"""That one request works on all that are wanted."""
_FIELDS: Final = ("all", "cursor", "before")
_SIGNALS: Final = ("quiet", "stop", "dump")


def of_queue(request: Request, deed: str) -> Response:
    """Pauses, resumes or clears it: answers how many jobs were deleted."""
    given(request)
    return answered({"done": do(request, request.path_params["name"], deed)})


def queue_jobs(request: Request) -> Response:
    """Deletes jobs that wait: `keys`, and `near` and `direction` of the listing that had them."""
    found = given(request, "keys", "near", "direction")
    order = "next" if text_of(found, "direction") == "asc" else "latest"
    near = text_of(found, "near") or api.Queue.beginning(order)
    return answered(outcome_document(delete_jobs(request, request.path_params["name"], _some(found), near, order)))


def of_entry(request: Request, pages: SetPages, action: str) -> Response:
    """Does it to one entry."""
    given(request)
    entry = find(pages, request.path_params["key"])
    if entry is None:
        raise NotFound
    outcome = _act(request, pages, action, [entry])
    if outcome.refused:
        raise Refused(409, " ".join(outcome.reasons))
    return answered(outcome_document(outcome))


def of_set(request: Request, pages: SetPages, action: str) -> Response:
    """Does it to those of `keys`, or to `"all": true` that the filter wants, in parts: `cursor` and `before` go on."""
    found = given(request, "all", "keys", "cursor", "before", *filters.NAMES)
    if "all" not in found:
        keys = _some(given(request, "keys"))
        entries = [entry for key in keys if (entry := find(pages, key)) is not None]
        outcome = _act(request, pages, action, entries)
        outcome.gone += len(keys) - len(entries)
        return answered(outcome_document(outcome))
    if found["all"] is not True or "keys" in found:
        raise BadRequest(_('Either keys or "all": true must be given.'))
    filters.check(found.items(), _FIELDS)
    wanted = filters.of({name: text_of(found, name) for name in filters.NAMES})
    jobs, cursor = pages.jobs, inward(text_of(found, "cursor", MOST_CURSOR))
    swept = jobs.sweep(action, wanted or None, cursor, before=_before(found), seconds=_SECONDS)
    grouping.forget(pages.kind.key)
    audit_sweep(request, action, pages.kind.key, swept, filters.parameters(wanted))
    progress = {"looked": swept.looked, "next": outward(jobs, swept.cursor), "before": swept.before}
    return answered({**outcome_document(swept.outcome), **progress})


def of_process(request: Request, signal: str) -> Response:
    """Quiets or stops it, or lets it log its stacks; at its next heartbeat."""
    given(request)
    process = api.ProcessSet(current().site.redis).get(request.path_params["identity"])
    if process is None:
        raise NotFound(_("There is no such process: it has ended, or has not been heard of for a minute."))
    if process.is_embedded:
        raise Refused(409, _("This process runs inside of another program, which alone may end it."))
    {"quiet": process.quiet, "stop": process.stop, "dump": process.dump}[signal]()
    audit(request, signal, process=process.identity, count=1)
    return answered({"done": 1})


def of_all_processes(request: Request, signal: str) -> Response:
    """Quiets or stops all, those inside of other programs aside."""
    given(request)
    processes = api.ProcessSet(current().site.redis)
    count = processes.quiet() if signal == "quiet" else processes.stop()
    audit(request, signal, process="all", count=count)
    return answered({"done": count})


def _act(request: Request, pages: SetPages, action: str, entries: Sequence[Entry]) -> Outcome:
    outcome = pages.jobs.act(action, entries)
    grouping.forget(pages.kind.key)
    jids = " ".join(entry.job.jid for entry in entries[:20])
    refused, gone = outcome.refused or None, outcome.gone or None
    audit(request, action, set=pages.kind.key, count=outcome.done, gone=gone, refused=refused, jids=jids)
    return outcome


def _some(found: dict[str, Any]) -> list[str]:
    keys = keys_of(found)
    if not keys:
        raise BadRequest(_("The body must have keys, those of the jobs that are meant."))
    return keys


def _before(found: dict[str, Any]) -> float | None:
    value = found.get("before")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise BadRequest(_("%(name)s must be a time in seconds.", name="before"))
    return float(value)


def _bound(act: Callable[..., Response], *values: Any) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return act(request, *values)

    return answer


def _route(path: str, act: Callable[..., Response], *values: Any) -> BaseRoute:
    return Route(path, _bound(act, *values), methods=["POST"])


routes: Final[list[BaseRoute]] = [
    *(_route(f"/api/queues/{{name}}/{deed}", of_queue, deed) for deed in DEEDS),
    _route("/api/queues/{name}/jobs/delete", queue_jobs),
    *(
        _route(f"/api/{name}/{action}", of_set, pages, action)
        for name, pages in SETS.items()
        for action in pages.kind.can
    ),
    *(
        _route(f"/api/{name}/{{key}}/{action}", of_entry, pages, action)
        for name, pages in SETS.items()
        for action in pages.kind.can
    ),
    *(_route(f"/api/processes/{signal}", of_all_processes, signal) for signal in ("quiet", "stop")),
    *(_route(f"/api/processes/{{identity}}/{signal}", of_process, signal) for signal in _SIGNALS),
]
