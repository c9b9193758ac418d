"""Parameters of queries and forms, bounded. What is wrong with one is said in a 400 page."""

from typing import Final

from starlette.requests import Request

from fastkiq.web.errors import BadRequest
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

MAX_TEXT: Final = 1_000
"""Characters of one parameter."""


def bounded_int(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query, `default` when it is not given."""
    text = request.query_params.get(name, "")
    if text == "":
        return default
    # isdecimal, since int() would take underscores, signs, spaces and other scripts' digits.
    value = int(text) if len(text) <= 18 and text.isascii() and text.isdecimal() else None
    if value is None or not least <= value <= most:
        raise BadRequest(
            _(
                "%(name)s must be a whole number from %(least)s to %(most)s.",
                name=name,
                least=current().locale.number(least),
                most=current().locale.number(most),
            )
        )
    return value


def bounded_text(request: Request, name: str, default: str = "", most: int = MAX_TEXT) -> str:
    """A text from the query, without the spaces around it."""
    return _checked(name, request.query_params.get(name, default), most).strip()


def choice(request: Request, name: str, choices: tuple[str, ...]) -> str:
    """One of some words from the query; the first when it is not given."""
    text = request.query_params.get(name, "") or choices[0]
    if text not in choices:
        raise BadRequest(_("%(name)s must be one of: %(choices)s.", name=name, choices=", ".join(choices)))
    return text


def field(name: str, default: str = "", most: int = MAX_TEXT) -> str:
    """A text from the posted form, the last one of that name."""
    values = fields(name, most)
    return values[-1] if values else default


def fields(name: str, most: int = MAX_TEXT) -> list[str]:
    """All texts of that name from the posted form: the ticked boxes of a table."""
    return [_checked(name, value, most) for key, value in current().form if key == name]


def _checked(name: str, text: str, most: int) -> str:
    if len(text) > most:
        raise BadRequest(
            _("%(name)s must have at most %(most)s characters.", name=name, most=current().locale.number(most))
        )
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise BadRequest(_("%(name)s has characters that no text has.", name=name))
    return text
