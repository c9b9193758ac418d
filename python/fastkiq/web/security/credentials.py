"""A user name with its password, and a bearer token: what this application itself accepts."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from fastkiq.errors import ConfigError

_LONGEST: Final = 4_096
"""Characters of an `Authorization` header."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """None, either, or both. Compared in constant time."""

    username: str | None = None
    password: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError for halves, and for secrets that are none."""
        if (self.username is None) != (self.password is None):
            raise ConfigError("username and password belong together: one of them is missing")
        if self.username is not None and (not self.username or ":" in self.username):
            raise ConfigError("username must not be empty, and HTTP Basic allows no colon in it")
        for name in ("password", "token"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name} must not be empty: nobody would be kept out")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise ConfigError("token must be of printable ASCII characters without spaces, as headers are")

    def __bool__(self) -> bool:
        return self.password is not None or self.token is not None

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, ...)"

    def challenge(self) -> str:
        """The value of `WWW-Authenticate`."""
        if self.password is not None:
            return 'Basic realm="fastkiq", charset="UTF-8"'
        return 'Bearer realm="fastkiq"'

    def accepts_basic(self, header: str) -> str | None:
        """The user's name when this `Authorization` header proves it by password."""
        if self.username is None or self.password is None or len(header) > _LONGEST:
            return None
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = b64decode(encoded.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        # Both are compared, whatever the first one says: time must not tell which of them was wrong.
        right_name = compare_digest(name, self.username.encode())
        right_password = compare_digest(password, self.password.encode())
        return self.username if right_name and right_password else None

    def accepts_token(self, header: str) -> bool:
        """Whether this `Authorization` header has the token."""
        if self.token is None or len(header) > _LONGEST:
            return False
        scheme, _, given = header.partition(" ")
        return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), self.token.encode())
