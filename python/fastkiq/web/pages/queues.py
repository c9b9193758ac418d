"""All queues: how full, how late, how large; paused, resumed and cleared from here."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.api import QueueState
from fastkiq.web.i18n import gettext as _
from fastkiq.web.query import bounded_int, bounded_text, choice
from fastkiq.web.queue_rows import rows
from fastkiq.web.rendering import render
from fastkiq.web.sampler import Sample
from fastkiq.web.summary import read_figures
from fastkiq.web.view import current

PAGE: Final = 100
_ORDERS: Final[dict[str, Callable[[QueueState], Any]]] = {
    "name": lambda state: state.name,
    "size": lambda state: (-state.size, state.name),
    "latency": lambda state: (-(state.latency or 0.0), state.name),
}


def queues(request: Request) -> Response:
    """A hundred of them at a time."""
    view = current()
    redis = view.site.redis
    sort = choice(request, "sort", tuple(_ORDERS))
    wanted = bounded_text(request, "substr", most=200)
    number = bounded_int(request, "page", 1, 1, 1_000)
    figures = read_figures(redis)
    notes = list(figures.summary.notes)
    states = api.queues(redis, notes=notes)
    view.site.sampler.add(Sample.of(figures.summary, states))
    samples = view.site.sampler.samples()
    found = sorted((state for state in states if wanted in state.name), key=_ORDERS[sort])
    some = found[(number - 1) * PAGE : number * PAGE]
    memory = api.memories([state.name for state in some], redis)
    return render(
        "queues.html",
        figures=figures,
        count=len(states),
        rows=rows(some, samples, memory),
        since=samples[0].at,
        sort=sort,
        wanted=wanted,
        first=view.here(page=None) if number > 1 else None,
        next=view.here(page=number + 1) if number * PAGE < len(found) else None,
        part=_part(number, some, found),
        notes=dict.fromkeys(notes),
    )


def _part(number: int, some: Sequence[QueueState], found: Sequence[QueueState]) -> str:
    if len(found) <= PAGE:
        return ""
    shown = current().locale.number
    first = (number - 1) * PAGE
    return _(
        "%(first)s to %(last)s of %(total)s",
        first=shown(min(first + 1, len(found))),
        last=shown(first + len(some)),
        total=shown(len(found)),
    )


routes: Final[list[BaseRoute]] = [Route("/queues", queues)]
