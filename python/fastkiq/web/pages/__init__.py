"""The pages, one file each with its `routes`. A new page is a new file, named here."""

from starlette.routing import BaseRoute

from fastkiq.web.pages import busy, dashboard, metrics, preferences, processes, signals, static


def routes() -> list[BaseRoute]:
    """All of them; the first that fits answers."""
    return [
        *dashboard.routes,
        *busy.routes,
        *signals.routes,
        *processes.routes,
        *metrics.routes,
        *preferences.routes,
        *static.routes,
    ]
