"""Pages from templates. What the templates may call is listed here, once."""

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from fastkiq import _core
from fastkiq.web import flash, formats, svg
from fastkiq.web.locale import locales
from fastkiq.web.navigation import tabs
from fastkiq.web.security.form_token import token
from fastkiq.web.view import THEMES, current


class _Here:
    """`here.root`, `here.path`, `here.read_only`...: the current view, also inside imported macros."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current(), name)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fastkiq.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        auto_reload=False,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: current().locale.gettext(text),
        lambda one, many, number: current().locale.ngettext(one, many, number),
        newstyle=True,
    )
    environment.globals |= {
        "csrf_token": token,
        "here": _Here(),
        "locales": locales,
        "sparkline": svg.sparkline,
        "tabs": tabs,
        "static": lambda path: current().static(path),
        "themes": THEMES,
        "url": lambda path, *segments, **query: current().url(path, *segments, **query),
        "version": _core.__version__,
    }
    environment.filters |= formats.FILTERS
    return environment


TEMPLATES: Final = _environment()


def render(name: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """The page made of that template, with the summary strip and any message that waits for this user."""
    from fastkiq.web.summary import summary

    view = current()
    messages = flash.take(view)
    page = TEMPLATES.get_template(name).render(summary=summary(view.site.redis), flashes=messages, **values)
    response = HTMLResponse(page, status)
    if messages:
        flash.clear(view, response)
    return response
