"""Pages that only tests have: every component once, and something to change."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from fastkiq.web import application, rendering
from fastkiq.web.audit import audit
from fastkiq.web.confirmation import ask
from fastkiq.web.flash import see_other
from fastkiq.web.query import bounded_int, bounded_text, field, fields
from fastkiq.web.rendering import render
from fastkiq.web.view import current

PROBE = """{% extends "base.html" %}
{% block title %}Probe{% endblock %}
{% block styles %}{{ ui.chart_styles() }}{% endblock %}
{% block scripts %}{{ ui.chart_scripts() }}{% endblock %}
{% block main %}
{% call ui.heading("Probe", 1204) %}
  {{ ui.button(url("/probe/clear"), "Clear", {"queue": "default"}, confirm="Clear the queue?", kind="danger") }}
{% endcall %}
{{ ui.tabs([(here.here(period="1h"), "Hour", true), (here.here(period="1d"), "Day", false)], "Period") }}
<p id="echo" data-live>{{ text }}</p>
<p id="counter" data-live data-test="counter">{{ counter }}</p>
{% call ui.card("Chart") %}{{ ui.chart("load", "Jobs processed and failed", chart) }}{% endcall %}
{% if not here.read_only %}<form method="post" action="{{ url("/probe/change") }}">{{ ui.csrf() }}
<div class="fields"><label class="field">Class<input name="class" type="text"></label></div>
{% call ui.table_region("Jobs", cards=true) %}
<table><thead><tr><th class="tick">{{ ui.select_all() }}</th><th scope="col">When</th><th scope="col">Job</th>
<th scope="col">Arguments</th><th scope="col">State</th></tr></thead>
<tbody id="rows" data-live>
{% for row in rows %}
<tr data-key="{{ row }}">
<td class="tick">{{ ui.select_row(row, row) }}</td>
<td data-label="When">{{ ui.time(now) }} {{ ui.time(none) }}</td>
<td data-label="Job"><a class="job" href="{{ url("/retries", row) }}">{{ text|breakable }}</a>
<details><summary>More</summary>{{ ui.code(text, "Backtrace of %s"|format(row)) }}</details></td>
<td data-label="Arguments">{{ ui.args(text) }}</td>
<td data-label="State">{{ ui.badge(text[:20], "error") }} {{ ui.badge("ok", "ok") }}
{{ ui.badge("slow", "warning") }} {{ ui.badge("new", "info") }}</td>
</tr>
{% endfor %}
</tbody></table>
{% endcall %}
<div class="buttons">{{ ui.submit("Retry", "action", "retry", kind="primary", needs_selection=true) }}
{{ ui.submit("Delete", "action", "delete", confirm="Delete what is ticked?", kind="danger", needs_selection=true) }}
<span data-selected></span></div>
</form>{% endif %}
{{ ui.pager(url("/probe"), url("/probe", cursor=50), "50 of 1,204") }}
{{ ui.notice("Done", "ok") }}{{ ui.notice("Beware", "warning") }}{{ ui.notice("Broken", "error") }}{{ ui.notice("So") }}
{{ ui.empty("Nothing", "There is nothing.") }}
<p>{{ sparkline([1, 5, 2, 8], text) }} {{ 1536|size }} {{ 75|duration }} {{ 1234567|number }}</p>
{% endblock %}"""


class Deeds:
    """What the probe's forms have changed, and what its pages show."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.rows = ["row-1", "row-2", "row-3"]
        self.counter = 0
        self.lock = threading.Lock()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/probe", self.page),
            Route("/probe/change", self.change, methods=["POST"]),
            Route("/probe/clear", self.clear, methods=["POST"]),
            Route("/probe/fail", self.fail),
            Route("/api/probe", self.api, methods=["GET", "POST"]),
        ]

    def page(self, request: Request) -> Response:
        with self.lock:
            self.counter += 1
        series = [
            {"label": "Processed", "values": [3, 5, 4], "color": "blue", "kind": "area"},
            {"label": "Failed", "values": [0, 1, 0], "color": "red", "kind": "line"},
        ]
        return render(
            "probe.html",
            text=bounded_text(request, "text", "plain"),
            count=bounded_int(request, "count", 25, 1, 100),
            counter=self.counter,
            rows=self.rows,
            now=1_790_000_000,
            chart={"x": [1_790_000_000, 1_790_000_060, 1_790_000_120], "series": series},
        )

    def change(self, request: Request) -> Response:
        self.done.append({"action": field("action"), "keys": fields("key"), "class": field("class")})
        audit(request, field("action") or "change", set="retry", jid=field("key"), count=len(fields("key")))
        return see_other(current().url("/probe"), "Changed what was ticked")

    def clear(self, request: Request) -> Response:
        if asked := ask("Clear the queue?", current().url("/probe")):
            return asked
        self.done.append({"action": "clear", "queue": field("queue")})
        return see_other(current().url("/probe"), "Cleared")

    def fail(self, request: Request) -> Response:
        raise LookupError("a secret of the user's")

    def api(self, request: Request) -> Response:
        if request.method == "POST":
            self.done.append({"action": "api", "body": current().body.decode()})
        return JSONResponse({"path": current().path, "url": current().url("/probe")})


@contextmanager
def probing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deeds]:
    """Every application made inside has the probe's pages as well."""
    deeds, routes = Deeds(), application.routes
    monkeypatch.setattr(application, "routes", lambda: [*deeds.routes(), *routes()])
    monkeypatch.setattr(
        rendering.TEMPLATES, "loader", ChoiceLoader([DictLoader({"probe.html": PROBE}), rendering.TEMPLATES.loader])
    )
    yield deeds
