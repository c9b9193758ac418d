"""Filters as people type them: `class:Mail error:"timed out" anything`."""

import re
from typing import Final

from fastkiq.api import Filter

_NAMES: Final = {
    "class": "class_name",
    "queue": "queue",
    "error": "error",
    "arg": "argument",
    "tag": "tag",
    "jid": "jid",
    "group": "group",
}
_WORD: Final = re.compile(r'(?:([a-z]+):)?(?:"([^"]*)"|(\S+))')
HINT: Final = 'text, or class: queue: error: arg: tag: jid: with "several words" in quotes'


def parsed(text: str) -> Filter:
    """The filter: words with a known name before them are for that field, all others for the payload as a whole."""
    fields: dict[str, str] = {}
    rest: list[str] = []
    for found in _WORD.finditer(text):
        name, quoted, bare = found.groups()
        value = quoted if quoted is not None else bare
        if name in _NAMES:
            fields[_NAMES[name]] = value
        else:
            rest.append(f"{name}:{value}" if name else value)
    return Filter(**fields, text=" ".join(rest))
