"""Texts in the language of the request at hand, for Python's side; templates have the same names."""

from fastkiq.web.view import current


def gettext(text: str, **values: object) -> str:
    """`_("%(count)s jobs deleted", count=...)`: plain text, to be escaped where it is shown."""
    found = current().locale.gettext(text)
    return found % values if values else found


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """As `gettext`, by number; `%(count)s` is the number, grouped, unless it is given."""
    locale = current().locale
    return locale.ngettext(one, many, number) % {"count": locale.number(number), **values}
