"""Where everything starts: what runs, what ran, which queues are full, how Redis is."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.web import history
from fastkiq.web.i18n import gettext as _
from fastkiq.web.query import bounded_int
from fastkiq.web.queue_rows import rows
from fastkiq.web.rendering import render
from fastkiq.web.sampler import Rate, Sample, rates
from fastkiq.web.summary import read_figures
from fastkiq.web.view import current

MOST_DAYS: Final = 1_825
_FULLEST: Final = 30


def dashboard(request: Request) -> Response:
    """The state of things at a glance. HEAD is a sign of life: Redis answers."""
    view = current()
    redis = view.site.redis
    if request.method == "HEAD":
        redis.ping()
        return Response()
    days = bounded_int(request, "days", 30, 1, MOST_DAYS)
    figures = read_figures(redis)
    notes = list(figures.summary.notes)
    states = api.queues(redis, notes=notes)
    latest = Sample.of(figures.summary, states)
    view.site.sampler.add(latest)
    samples = view.site.sampler.samples()
    fullest = sorted(states, key=lambda state: (-state.size, -(state.latency or 0), state.name))
    spans = history.spans(api.Stats(redis).history(days))
    return render(
        "dashboard.html",
        figures=figures,
        rates=_chart(rates(samples), latest),
        since=samples[0].at,
        days=days,
        periods=[(view.here(days=each), label, each == days) for each, label in _periods()],
        history=history.chart(spans),
        history_label=history.described(days),
        span_labels=[span.label for span in spans],
        queues=rows(fullest[:_FULLEST], samples),
        others=len(states) - _FULLEST,
        others_jobs=sum(state.size for state in fullest[_FULLEST:]),
        notes=dict.fromkeys(notes),
    )


def _periods() -> list[tuple[int, str]]:
    return [
        (7, _("1 week")),
        (30, _("1 month")),
        (90, _("3 months")),
        (180, _("6 months")),
        (365, _("1 year")),
        (MOST_DAYS, _("5 years")),
    ]


def _chart(found: list[Rate], latest: Sample) -> dict[str, Any]:
    """For chart.js, and in `now` what rates.js goes on from. With nothing to draw yet, an empty minute."""
    points: list[tuple[float, float | None, float | None]]
    points = [(rate.at, round(rate.processed, 2), round(rate.failed, 2)) for rate in found]
    x, processed, failed = zip(*(points or [(latest.at - 60, None, None), (latest.at, None, None)]), strict=True)
    return {
        "x": [round(at, 3) for at in x],
        "series": [
            {"label": _("Processed"), "values": processed, "color": "green", "kind": "area"},
            {"label": _("Failed"), "values": failed, "color": "red", "kind": "line"},
        ],
        "now": {"at": round(latest.at, 3), "values": [latest.processed, latest.failed]},
    }


routes: Final[list[BaseRoute]] = [Route("/", dashboard)]
