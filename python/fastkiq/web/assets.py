"""The static files of the wheel, read once: what is not in this table cannot be asked for."""

import mimetypes
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
_SERVED: Final = (".js", ".css", ".svg", ".png", ".ico", ".txt")


@dataclass(frozen=True)
class Assets:
    """Files by their path below `static/`, and one version for all: scripts import each other by relative paths."""

    files: dict[str, tuple[bytes, str]]
    version: str


@cache
def packaged() -> Assets:
    """The files that fastkiq carries."""
    found = dict(_walk(files("fastkiq.web") / "static", ""))
    digest = sha256()
    for path in sorted(found):
        digest.update(path.encode() + b"\0" + found[path][0] + b"\0")
    return Assets(found, digest.hexdigest()[:12])


def _walk(folder: Traversable, above: str) -> list[tuple[str, tuple[bytes, str]]]:
    entries: list[tuple[str, tuple[bytes, str]]] = []
    for each in folder.iterdir():
        if each.is_dir():
            entries += _walk(each, f"{above}{each.name}/")
        elif each.name.endswith(_SERVED):
            entries.append((above + each.name, (each.read_bytes(), _content_type(each.name))))
    return entries


def _content_type(name: str) -> str:
    kind = _TYPES.get(name[name.rindex(".") :]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
