"""The page of one job, wherever it is, and its parts that are posted to."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.web.again import MOST, Offer, offer, run
from fastkiq.web.arguments import are_filtered, pretty_args, shown_payload, stored_payload
from fastkiq.web.attempts import timeline
from fastkiq.web.audit import audit
from fastkiq.web.flash import see_other
from fastkiq.web.frames import backtrace
from fastkiq.web.i18n import gettext as _
from fastkiq.web.places import Place
from fastkiq.web.query import field
from fastkiq.web.rendering import render
from fastkiq.web.rows import cut
from fastkiq.web.view import current

_MOST_ERROR: Final = 20_000
_JID: Final = re.compile(r"[0-9a-f]{1,64}")


def show(request: Request, job: Job, place: Place, length: int, typed: Offer | None = None) -> Response:
    """The page. `length`: its stored bytes, of which none are here when it is too long; `typed`: what was refused."""
    ran = request.query_params.get("ran", "")
    message = job.error_message or ""
    return render(
        "job.html",
        400 if typed else 200,
        job=job,
        place=place,
        title=cut(job.class_name, 200) or _("No job"),
        jid=cut(job.jid, 300),
        queue=cut(job.queue, 200),
        tags=[cut(tag, 100) for tag in job.tags[:50]],
        is_whole=bool(job.raw) or not length,
        length=length,
        moments=timeline(job, place.moments),
        args=pretty_args(job),
        error_class=cut(job.error_class or "", 500),
        message=cut(message, _MOST_ERROR),
        backtrace=backtrace(job),
        payload=shown_payload(job),
        filters=are_filtered(),
        again=typed or offer(job),
        ran=ran if _JID.fullmatch(ran) else "",
    )


def run_again(request: Request, job: Job, place: Place, length: int) -> Response:
    """Enqueues the posted arguments, or shows them again with what is wrong with them."""
    typed = field("args", most=3 * MOST) if any(name == "args" for name, _value in current().form) else None
    try:
        jid = run(job, typed)
    except ArgumentError as error:
        offered = offer(job)
        text = typed if typed is not None and offered.is_editable else offered.text
        return show(
            request,
            job,
            place,
            length,
            Offer(text, offered.is_possible, offered.is_editable, offered.reason, cut(str(error), 1_000)),
        )
    audit(request, "run-again", jid=job.jid, new_jid=jid, job_class=job.class_name, queue=job.queue, count=1)
    return see_other(f"{place.url}?ran={jid}", _("Enqueued once more, as the new job %(jid)s.", jid=jid))


def download(job: Job) -> Response:
    """The payload as a file, never as something that a browser opens."""
    name = re.sub(r"[^A-Za-z0-9]", "", job.jid)[:64] or "job"
    headers = {"content-disposition": f'attachment; filename="{name}.json"'}
    return Response(stored_payload(job), media_type="text/plain", headers=headers)


def gone(text: str, jid: str) -> Response:
    """404: jobs come and go. With a search for it."""
    return render("gone.html", 404, text=text, jid=cut(jid, 300))
