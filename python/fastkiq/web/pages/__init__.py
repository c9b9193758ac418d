"""The pages, one file each with its `routes`. A new page is a new file, named here."""

from starlette.routing import BaseRoute

from fastkiq.web.pages import dashboard, preferences, static


def routes() -> list[BaseRoute]:
    """All of them; the first that fits answers."""
    return [*dashboard.routes, *preferences.routes, *static.routes]
