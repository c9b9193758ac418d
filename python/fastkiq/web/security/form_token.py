"""The token of our forms, which is also in a cookie: who can send both has read a page of ours."""

import hmac
import re
import secrets
from hashlib import sha256
from typing import Final

from fastkiq.web.view import View, current

COOKIE: Final = "fastkiq_csrf"
FIELD: Final = "csrf_token"
HEADER: Final = "x-csrf-token"
LIFE: Final = 30 * 86_400
"""Seconds. What makes a token worthless is a new secret."""
_TOKEN: Final = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{64}")


def token() -> str:
    """For the forms of this answer: the cookie's, or a new one."""
    view = current()
    if not view.csrf_token:
        held = view.request.cookies.get(COOKIE, "")
        view.csrf_token = held if is_ours(view, held) else _new(view)
    return view.csrf_token


def _new(view: View) -> str:
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_signature(view, nonce)}"


def is_ours(view: View, value: str) -> bool:
    """Whether we have signed it, for whoever asks now."""
    if _TOKEN.fullmatch(value) is None:
        return False
    nonce, _, signature = value.partition(".")
    return hmac.compare_digest(signature, _signature(view, nonce))


def _signature(view: View, nonce: str) -> str:
    """Bound to who asks: one user's token is worth nothing with another's password."""
    return hmac.new(view.site.secret, f"{nonce}:{view.who}".encode(), sha256).hexdigest()
