"""Runs by class: which take how much time, and how that changed."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import MetricsQuery
from fastkiq.web.class_charts import CLASS_PERIODS, PERIODS, class_page
from fastkiq.web.class_rows import ClassTable
from fastkiq.web.i18n import gettext as _
from fastkiq.web.query import bounded_text, choice
from fastkiq.web.rendering import render
from fastkiq.web.view import current


def metrics(request: Request) -> Response:
    """All classes."""
    period = choice(request, "period", PERIODS)
    wanted = bounded_text(request, "substr", most=200)
    found = MetricsQuery(current().site.redis, config=current().site.config).top(period, wanted)
    return render(
        "metrics.html",
        period=period,
        periods=_periods(period),
        wanted=wanted,
        found=found,
        table=ClassTable(found, period),
        hours=int(period.removesuffix("h")),
    )


def one_class(request: Request) -> Response:
    """One class, minute by minute; a period of the other page that is longer than there are minutes of becomes the
    longest."""
    name = request.path_params["name"]
    if not name:
        return RedirectResponse(current().url("/metrics"), 307)
    period = choice(request, "period", PERIODS)
    period = period if period in CLASS_PERIODS else CLASS_PERIODS[-1]
    found = MetricsQuery(current().site.redis, config=current().site.config).of(name, period)
    # Not by here(): its path is decoded, and a browser would take the dots of a name apart.
    links = [(current().url("/metrics", name, period=each), _label(each), each == period) for each in CLASS_PERIODS]
    return render("metrics_class.html", name=name, period=period, periods=links, **class_page(found))


def _periods(chosen: str) -> list[tuple[str, str, bool]]:
    return [(current().here(period=each), _label(each), each == chosen) for each in PERIODS]


def _label(period: str) -> str:
    return _("%(number)s h", number=period.removesuffix("h"))


routes: Final[list[BaseRoute]] = [
    Route("/metrics", metrics, methods=["GET"]),
    Route("/metrics/{name:path}", one_class, methods=["GET"]),
]
