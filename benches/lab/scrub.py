"""What may be published of texts that programs wrote: nothing of where this machine keeps things or gets them from."""

import re
from pathlib import Path

from lab import REPOSITORY

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", re.IGNORECASE)
_HOST = re.compile(r"(\b(?:host=|lookup |ENOTFOUND |resolve (?:host:? )?)['\"]?)[\w-]+(?:\.[\w-]+)+")


def scrub(text: str) -> str:
    """The checkout as ".", the home folder as "~", and "..." for URLs and the hosts that network errors name."""
    text = _HOST.sub(r"\1...", _URL.sub("...", text))
    for folder, short in ((REPOSITORY, "."), (REPOSITORY.resolve(), "."), (Path.home(), "~")):
        if folder != Path("/"):
            text = re.sub(rf"{re.escape(str(folder))}(?![\w.-])", short, text)
    return text
