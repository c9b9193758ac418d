"""The options of a job: what may be said about one, and its form in the payload."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from math import ceil
from typing import Any

from fastkiq.errors import FastkiqError

MAX_RETRY = 1_000  # the 1,000th pause alone would be some 30,000 years: whoever writes more has mistyped
MAX_RETRY_FOR = 1_000_000_000  # seconds; what Sidekiq allows
MAX_BACKTRACE = 10_000  # lines
MAX_RESULT_TTL = 31_622_400  # seconds: a year
DEFAULTS: Mapping[str, Any] = {"retry": True, "queue": "default"}

_QUEUE = re.compile(r"[A-Za-z0-9_:.-]+")
_WIRE_NAME = re.compile(r"[A-Za-z0-9_.:<>-]+")
# Sidekiq's logger knows these words only, so they are what travels.
_LOG_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "fatal": "fatal",
    "critical": "fatal",
}


def is_queue(name: object) -> bool:
    """Whether this can be the name of a queue."""
    return isinstance(name, str) and _QUEUE.fullmatch(name) is not None


def is_wire_name(name: object) -> bool:
    """Whether this can name a worker in a payload."""
    return isinstance(name, str) and _WIRE_NAME.fullmatch(name) is not None


def suggestion(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """`; did you mean 'queue'?` or nothing."""
    near = get_close_matches(word, list(known), 1) if len(word) < 100 else []
    return f"; did you mean {near[0]!r}?" if near else ""


def name_suggestion(name: str, known: list[str]) -> str:
    """`suggestion` for the wire name of a worker: one that has more than its module in common with it."""
    last = name.rpartition(".")[2][:100]
    return suggestion(name, [each for each in known if get_close_matches(last, [each.rpartition(".")[2]])])


def check(options: Mapping[str, Any], where: str, error: type[FastkiqError]) -> dict[str, Any]:
    """The options in their payload form; raises `error` in the name of `where` at the first that makes no sense."""
    checked = {}
    for key, value in options.items():
        reader = _READERS.get(key)
        if reader is None:
            raise error(f"{where}: unknown option {key!r:.80}{suggestion(key, _READERS)}")
        try:
            checked[key] = reader(value)
        except ValueError as reason:
            raise error(f"{where}: {key} {reason}, not {_short(value)}") from None
    if "retry_for" in checked and checked.get("retry", True) is not True:
        raise error(f"{where}: say how often (retry) or how long (retry_for), not both")
    return checked


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `base`. `retry` and `retry_for` exclude each other, so the newer one ends the older."""
    merged = {**base, **own}
    if "retry_for" in own:
        merged["retry"] = True
    elif "retry" in own:
        merged.pop("retry_for", None)
    return merged


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _queue(value: Any) -> str:
    if not is_queue(value):
        raise ValueError("must be made of letters, digits and _ : . -")
    return str(value)


def flag_or_number(most: int) -> Callable[[Any], bool | int]:
    """Checks for True, False or a whole number up to `most`."""

    def check(value: Any) -> bool | int:
        if isinstance(value, bool):
            return value
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"must be True, False or a number from 0 to {most}")
        return value

    return check


def _retry_for(value: Any) -> int:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    wrong_type = isinstance(seconds, bool) or not isinstance(seconds, (int, float))
    if wrong_type or not 1 <= seconds <= MAX_RETRY_FOR:
        raise ValueError(f"must be a timedelta or seconds from 1 to {MAX_RETRY_FOR}")
    return int(seconds)


def _dead(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def _tags(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(type(tag) is str and tag for tag in value):
        raise ValueError("must be a list or tuple of texts")
    return list(value)


def _log_level(value: Any) -> str:
    word = _LOG_LEVELS.get(value.lower()) if isinstance(value, str) else None
    if word is None:
        raise ValueError("must be debug, info, warning, error or critical")
    return word


def _result_ttl(value: Any) -> int:
    if value is None:
        return 0
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MAX_RESULT_TTL:
        raise ValueError(f"must be a timedelta or seconds from 0 to {MAX_RESULT_TTL}")
    return ceil(seconds)


_READERS: dict[str, Callable[[Any], Any]] = {
    "queue": _queue,
    "retry": flag_or_number(MAX_RETRY),
    "retry_for": _retry_for,
    "retry_queue": _queue,
    "dead": _dead,
    "backtrace": flag_or_number(MAX_BACKTRACE),
    "tags": _tags,
    "log_level": _log_level,
    "result_ttl": _result_ttl,
}
KEYS = tuple(_READERS)
