"""Languages: the English texts of code and templates are the keys, `locales/CODE/*.json` have what they are elsewhere.

A catalog is one object, text -> text; a text with a plural has a list: one form a number (see `_PLURALS`). Names in
`%(name)s` stay as they are. `base.json` has what is on every page, and keys with an `@` about the language itself:
@name, @group and @decimal (of numbers), @plural (a rule), @dir. The texts of a page may be in a file of its own. A new
language is a new folder: nothing else names them.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

DEFAULT: Final = "en"
_ENGLISH: Final = {"@name": "English", "@group": ",", "@decimal": ".", "@plural": "not-one"}
# Which form a number takes.
_PLURALS: Final[dict[str, Callable[[int], int]]] = {
    "one-form": lambda _: 0,
    "not-one": lambda number: int(number != 1),
    "above-one": lambda number: int(number > 1),
}
_WORTH: Final = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{1,3})?))?\s*")


@dataclass(frozen=True)
class Locale:
    """One language."""

    code: str
    texts: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name in itself."""
        return str(self.texts["@name"])

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return str(self.texts.get("@dir", "ltr"))

    def gettext(self, text: str) -> str:
        """The text in this language, else itself."""
        return str(self.texts.get(text, text))

    def ngettext(self, one: str, many: str, number: int) -> str:
        """The form for that number; the key is the singular."""
        forms = self.texts.get(one)
        index = _PLURALS[self.texts["@plural"]](number)
        return str(forms[index]) if isinstance(forms, list) else (many if index else one)

    def number(self, value: float, digits: int | None = None) -> str:
        """Digits grouped as the language does; `digits` behind the point, for an int none."""
        text = f"{value:,.{digits}f}" if digits is not None else f"{value:,}"
        marks = {",": self.texts["@group"], ".": self.texts["@decimal"]}
        return "".join(marks.get(each, each) for each in text)


@cache
def locales() -> dict[str, Locale]:
    """Every language there is, by code, English first."""
    found = {DEFAULT: Locale(DEFAULT, _ENGLISH)}
    folders = (each for each in (files("fastkiq.web") / "locales").iterdir() if each.is_dir())
    for folder in sorted(folders, key=lambda each: each.name):
        texts: dict[str, Any] = {}
        for file in folder.iterdir():
            if file.name.endswith(".json"):
                texts |= json.loads(file.read_text(encoding="utf-8"))
        found[folder.name] = Locale(folder.name, texts)
    return found


def choose(wanted: str | None, accepted: str) -> Locale:
    """By the user's choice, else by `Accept-Language`, else English."""
    known = {code.lower(): locale for code, locale in locales().items()}
    if wanted is not None and wanted.lower() in known:
        return known[wanted.lower()]
    for code in _by_worth(accepted):
        found = known.get(code) or next((known[each] for each in known if _language(each) == _language(code)), None)
        if found is not None:
            return found
    return known[DEFAULT]


def _by_worth(accepted: str) -> list[str]:
    parts = [_WORTH.fullmatch(part) for part in accepted[:1_000].split(",")]
    worth = [(float(part[2] or 1), part[1].lower()) for part in parts if part is not None]
    return [code for quality, code in sorted(worth, key=lambda each: -each[0]) if quality > 0]


def _language(code: str) -> str:
    return code.partition("-")[0].lower()
