"""Whose transactions enqueueing waits for: aliases of DATABASES."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from fastkiq.errors import ConfigError


def databases(given: Any, where: str) -> tuple[str, ...]:
    """True is the default database, False none; else an alias or several. Raises ConfigError in the name of `where`."""
    if isinstance(given, bool):
        return (DEFAULT_DB_ALIAS,) if given else ()
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{where} must be True, False, the alias of a database or a list of them, not {given!r:.80}")
    return tuple(names)
