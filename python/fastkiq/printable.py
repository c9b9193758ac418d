"""Texts fit for a log or a terminal."""

import re
from typing import Final

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides, lone surrogates, invisible joiners.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def is_fit(text: str) -> bool:
    """Whether it holds nothing that `printable` would escape."""
    return _UNFIT.search(text) is None


def printable(value: object, limit: int = 10_000) -> str:
    """`str(value)` on one line, control characters escaped, at most `limit` characters of it."""
    text = value if type(value) is str else f"{value}"
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text):,} characters)"
    return _UNFIT.sub(_escape, text)


def shown(value: object, limit: int = 80) -> str:
    """The start of `repr(value)`, of a value that may be hostile."""
    try:
        text = repr(value)
    except Exception:  # an int of more than 4,300 digits, lists in lists, a broken __repr__
        text = f"such a {type(value).__name__}"
    return text[:limit]


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 job`, `1,200 jobs`; `nouns` is the plural when it takes more than an s."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def printable_lines(text: str, margin: str = "  | ") -> str:
    """Several lines that stay several; the margin keeps a hostile one from posing as a log record of its own."""
    first, *rest = text.splitlines() or [""]
    return "\n".join([printable(first), *(margin + printable(line) for line in rest)])
