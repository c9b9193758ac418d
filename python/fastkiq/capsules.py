"""Capsules: groups of queues within one process that have threads and coroutines of their own, as Sidekiq's have."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastkiq.printable import shown
from fastkiq.settings import Queues, queues, whole

if TYPE_CHECKING:
    from fastkiq.config import Config

DEFAULT: Final = "default"
"""The capsule that the settings `queues`, `concurrency` and `async_concurrency` are about."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_CHECKS: Final = {"queues": queues, "concurrency": whole(1, 10_000), "async_concurrency": whole(1, 100_000)}
KEYS: Final = tuple(_CHECKS)
"""What a capsule can be told in a file."""


class Capsule(NamedTuple):
    """What it serves, and the most jobs at once on its threads and on the event loop.

    Without a number of threads it has as many as the default capsule; without one of coroutines, as many as threads.
    """

    name: str
    queues: Queues
    concurrency: int | None = None
    async_concurrency: int | None = None


def check(value: Any) -> tuple[Capsule, ...]:
    """Reads `{"serial": {"queues": ["reports"], "concurrency": 1}}`, or what it has answered before."""
    if isinstance(value, tuple) and all(isinstance(each, Capsule) for each in value):
        return value
    if not isinstance(value, Mapping):
        raise ValueError('must be given by name, such as {"serial": {"queues": ["reports"], "concurrency": 1}}')
    return tuple(_capsule(name, given) for name, given in value.items())


def _capsule(name: Any, given: Any) -> Capsule:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("must have names of letters, digits and _ . -")
    if not isinstance(given, Mapping) or not given.get("queues"):
        raise ValueError(f"must each say what they serve: {shown(name)} has no queues")
    read: dict[str, Any] = {}
    for key, each in given.items():
        if key not in _CHECKS:
            raise ValueError(f"have {', '.join(_CHECKS)}: {shown(name)} has {shown(key)}")
        try:
            read[key] = _CHECKS[key](each)
        except ValueError as reason:
            raise ValueError(f"are wrong: in {shown(name)} {key} {reason}") from None
    return Capsule(name, **read)


class Served(NamedTuple):
    """A capsule with its numbers."""

    name: str
    queues: Queues
    concurrency: int
    async_concurrency: int


def served(config: "Config") -> list[Served]:
    """All capsules of a process, the default one first. One that is named so replaces what the settings say of it."""
    found = {DEFAULT: Served(DEFAULT, config.queues, config.concurrency, config.async_concurrency)}
    for capsule in config.capsules:
        threads = capsule.concurrency or config.concurrency
        coroutines = capsule.async_concurrency or threads
        found[capsule.name] = Served(capsule.name, capsule.queues, threads, coroutines)
    return list(found.values())
