"""The arguments of a job on the command line: each word is JSON."""

from collections.abc import Iterable
from typing import Any

import click

from fastkiq import _core
from fastkiq.printable import printable


def decoded(words: Iterable[str]) -> list[Any]:
    """The values. Raises UsageError that says which word is none, and how a text is written."""
    return [_value(word, position) for position, word in enumerate(words, 1)]


def _value(word: str, position: int) -> Any:
    try:
        return _core.decode(word)
    except ValueError as error:
        shown = printable(word, 60)
        hint = f"; a text is written '\"{shown}\"'" if shown.isalnum() else ""
        raise click.UsageError(f"argument {position} is no JSON: {shown} ({error}){hint}") from None
