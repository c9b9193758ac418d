"""JSON in and out, where programs ask."""

import json
from typing import Any, Final

from starlette.responses import Response

from fastkiq import _core
from fastkiq.web.errors import BadRequest
from fastkiq.web.i18n import gettext as _
from fastkiq.web.query import MAX_TEXT
from fastkiq.web.view import current

MOST_KEYS: Final = 1_000


def answered(document: Any) -> Response:
    """In ASCII: what Redis holds may have characters that no text may have."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json")


def given(*names: str) -> dict[str, Any]:
    """The object in the body, which has no other fields than these: a misspelt condition must not come to mean all.
    An empty one when there is no body. Raises BadRequest."""
    view = current()
    if not view.body:
        return {}
    if view.form:
        raise BadRequest(_("The body must be JSON, of the type application/json."))
    try:
        found = _core.decode(view.body)
    except ValueError as error:
        raise BadRequest(_("The body is not JSON: %(error)s", error=error)) from None
    if not isinstance(found, dict):
        raise BadRequest(_("The body must be a JSON object."))
    for name in found:
        if name not in names:
            known = ", ".join(names) or "–"
            raise BadRequest(_("%(name)s is no field of this body; there are: %(names)s.", name=name[:80], names=known))
    return found


def text_of(found: dict[str, Any], name: str, most: int = MAX_TEXT) -> str:
    """A text of it; empty when there is none. Raises BadRequest."""
    value = found.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(_("%(name)s must be a text of at most %(most)s characters.", name=name, most=most))
    return value


def keys_of(found: dict[str, Any]) -> list[str]:
    """The `keys` of jobs in it. Raises BadRequest."""
    value = found.get("keys", [])
    if not isinstance(value, list) or not all(isinstance(key, str) and len(key) <= 2_000 for key in value):
        raise BadRequest(_("keys must be a list of keys of jobs."))
    if len(value) > MOST_KEYS:
        raise BadRequest(_("keys must be at most %(most)s.", most=MOST_KEYS))
    return list(dict.fromkeys(value))
