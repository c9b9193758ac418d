"""A place in a sorted set, between two entries: where a walk over it goes on, in either direction."""

import math
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final, NamedTuple

from fastkiq.errors import ArgumentError

_FORM: Final = re.compile(r"(-?[0-9][0-9.e+-]{0,30}|-?inf)_(a|b|n[0-9]{1,12}|p[A-Za-z0-9_-]{1,2000})")
_LONGEST_TEXT: Final = 2_000  # it has to fit into a URL
_LONGEST_BOUND: Final = 65_536  # as `page.lua` has it
_RAW_DEFLATE: Final = -15


class Cursor(NamedTuple):
    """By a score and, among entries that share it, by their bytes, which they are sorted by: whatever comes or goes
    before the place or behind it, it parts the entries that stayed as it did before."""

    score: str = ""
    """As Redis writes it; empty: at the beginning, or behind the end."""
    where: bytes = b""
    """Among the entries with this score: `a` above all, `b` below all, `p` and bytes: below the first that is not less
    than these, `n` and a number: above so many, which holds only while nothing below comes or goes."""
    ties: int = 0
    """Entries with this score that were below the place when it was last looked at."""

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """A cursor from outside. Raises ArgumentError."""
        if not text:
            return cls()
        found = _FORM.fullmatch(text)
        if found is not None and _is_number(found[1]):
            kind, rest = found[2][0], found[2][1:]
            where = b"p" + _unpacked(rest) if kind == "p" else found[2].encode()
            if where != b"p":
                return cls(found[1], where)
        raise ArgumentError(f"this is no cursor of a listing: {text[:40]!r}")

    def text(self) -> str | None:
        """For `parse`; None behind the end."""
        if not self.score:
            return None
        if self.where[:1] != b"p":
            return f"{self.score}_{self.where.decode()}"
        packed = self._packed()
        return f"{self.score}_n{self.ties}" if len(packed) > _LONGEST_TEXT else f"{self.score}_p{packed}"

    @property
    def is_long(self) -> bool:
        """Whether its text has to make do with the number of entries."""
        return self.where[:1] == b"p" and len(self._packed()) > _LONGEST_TEXT

    def _packed(self) -> str:
        packer = zlib.compressobj(9, wbits=_RAW_DEFLATE)
        return urlsafe_b64encode(packer.compress(self.where[1:]) + packer.flush()).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    """Empty when it is none of `_packed`, or too long."""
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        unpacker = zlib.decompressobj(wbits=_RAW_DEFLATE)
        found = unpacker.decompress(packed, _LONGEST_BOUND + 1)
    except (Error, ValueError, zlib.error):
        return b""
    return found if unpacker.eof and len(found) <= _LONGEST_BOUND else b""


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
