"""Errors of one kind, counted: of ten thousand failed jobs, what has gone wrong."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fastkiq.api import Group
from fastkiq.web import filters
from fastkiq.web.grouping import counted
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import ALL, SetPages
from fastkiq.web.rendering import render
from fastkiq.web.rows import cut
from fastkiq.web.view import current
from fastkiq.web.words import button_words

_MOST_SHOWN: Final = 100
_MOST_CLASSES: Final = 5


def groups(request: Request, pages: SetPages) -> Response:
    """As far as they are counted."""
    wanted = filters.from_query(request)
    count = counted(current().site, pages.jobs, wanted)
    parameters = filters.parameters(wanted)
    return render(
        "groups.html",
        pages=pages,
        filter=parameters,
        count=count,
        groups=[_group(pages, group, parameters) for group in count.groups[:_MOST_SHOWN]],
        hidden=max(0, len(count.groups) - _MOST_SHOWN),
        buttons=[(name, button_words(pages, name)) for name in pages.names],
    )


def _group(pages: SetPages, group: Group, parameters: dict[str, str]) -> dict[str, object]:
    classes = sorted(group.classes.items(), key=lambda each: (-each[1], each[0]))
    fields = {**parameters, "group": group.signature}
    return {
        "key": group.signature,
        "title": cut(group.signature, 300) or _("No error is kept"),
        "error_class": cut(group.error_class, 200),
        "sample": "" if group.signature.endswith(group.message) else cut(group.message, 400),
        "count": group.count,
        "classes": [(cut(name, 100) or _("No job"), number) for name, number in classes[:_MOST_CLASSES]],
        "more_classes": max(0, len(classes) - _MOST_CLASSES),
        "earliest": group.earliest,
        "latest": group.latest,
        # A group without a signature cannot be asked for: an empty filter is none.
        "url": current().url(pages.path, **fields) if group.signature else None,
        "fields": fields,
    }


def _route(pages: SetPages) -> BaseRoute:
    def listed(request: Request) -> Response:
        return groups(request, pages)

    return Route(f"{pages.path}/groups", listed, methods=["GET"])


routes: Final[list[BaseRoute]] = [_route(pages) for pages in ALL if pages.fails]
