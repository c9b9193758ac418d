"""Arguments and payloads as pages show them: bounded, and without the values of arguments that are filtered by name.

A name filters every key that has it as a part, whatever the case, as `filter_parameters` of Rails: at any depth of the
arguments, in whatever else a payload carries beside Sidekiq's own fields, and as the name of a parameter where the
worker is known in this process. Error messages are shown as they are.
"""

import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from fastkiq import registry
from fastkiq.active_job import WRAPPERS
from fastkiq.api import argument_text
from fastkiq.job import Job
from fastkiq.web.view import current

FILTERED: Final = "[FILTERED]"
ENCRYPTED: Final = "[ENCRYPTED]"
MOST_IN_ROW: Final = 1_000
"""Characters of arguments in a table."""
MOST_ON_PAGE: Final = 50_000
"""Characters of arguments, or of a payload, on a page of their own."""
# Sidekiq's and our own fields of a payload: what they hold is no argument, whatever name is filtered.
_FIELDS: Final = frozenset(
    [
        *("class", "wrapped", "display_class", "args", "jid", "bid", "queue", "tags", "locale", "log_level", "encrypt"),
        *("created_at", "enqueued_at", "at", "failed_at", "retried_at", "discarded_at", "expires_in"),
        *("retry", "retry_count", "retry_queue", "retry_for", "dead", "backtrace", "unique_for", "unique_until"),
        *("error_class", "error_message", "error_backtrace", "profile", "profiler_options"),
    ]
)


class Shown(NamedTuple):
    """A text to be shown."""

    text: str
    is_cut: bool
    """Whether more of it was left out."""


def shown_args(job: Job, most: int = MOST_IN_ROW) -> str:
    """The arguments as compact JSON without the brackets around them; an ellipsis at its end says that it is cut."""
    text, is_cut = _collected(_written(_visible(job), _pattern(), most), most + 2)
    return text[1:-1] if not is_cut else text[1 : most + 1] + "…"


def unreadable(job: Job) -> str:
    """The beginning of stored bytes that are no payload; nothing of it where names are filtered."""
    return FILTERED if _pattern() else job.raw[:MOST_IN_ROW].decode("utf-8", "replace")


def pretty_args(job: Job, most: int = MOST_ON_PAGE) -> Shown:
    """The arguments as JSON over several lines."""
    return _collected(_written(_visible(job), _pattern(), most, indent="  "), most)


def shown_payload(job: Job, most: int = MOST_ON_PAGE) -> Shown:
    """The whole payload as JSON over several lines; what is none, as text."""
    return _collected(_payload(job, most, indent="  "), most)


def stored_payload(job: Job) -> bytes:
    """The stored bytes, for a download; where names are filtered, the payload written anew without their values."""
    pattern = _pattern()
    if pattern is None:
        return job.raw
    if not job.payload:
        return FILTERED.encode() if job.raw else b""
    shown = {key: _masked(each, pattern) for key, each in _fields(job, pattern).items()}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def hides_some(job: Job) -> bool:
    """Whether an argument is not shown as it is stored."""
    return argument_text(job.args) != argument_text(visible_args(job))


def payload_text(job: Job) -> str:
    """What a search by text may look at: the stored text, or what is shown of it."""
    return stored_payload(job).decode("utf-8", "replace")


def args_text(job: Job) -> str:
    """What a search by argument may look at: `argument_text`, of what is shown."""
    return argument_text(visible_args(job))


def visible_args(job: Job) -> list[Any]:
    """The arguments, those that are filtered by what stands in their place."""
    args: list[Any] = _masked(_visible(job), _pattern())
    return args


def are_filtered() -> bool:
    """Whether any name is filtered."""
    return _pattern() is not None


def _pattern() -> re.Pattern[str] | None:
    return _compiled(frozenset(current().site.filter_args))


@lru_cache(maxsize=16)
def _compiled(names: Collection[str]) -> re.Pattern[str] | None:
    wanted = sorted(name.strip() for name in names if name.strip())
    return re.compile("|".join(map(re.escape, wanted)), re.IGNORECASE) if wanted else None


def _visible(job: Job) -> list[Any]:
    """The arguments, without those whose parameter is filtered, or that are encrypted."""
    hidden = _hidden_positions(job, len(job.args))
    args = [FILTERED if index in hidden else value for index, value in enumerate(job.args)]
    if args and job.payload.get("encrypt"):
        args[-1] = ENCRYPTED
    return args


def _hidden_positions(job: Job, count: int) -> frozenset[int]:
    pattern, entry = _pattern(), registry.find(job.class_name)
    if pattern is None or entry is None or entry.signature is None:
        return frozenset()
    signature = entry.signature
    return frozenset(index for index in range(count) if pattern.search(signature.parameter(index)))


def _payload(job: Job, most: int, indent: str) -> Iterator[str]:
    pattern = _pattern()
    if not job.payload:
        text = job.raw[: most + 1].decode("utf-8", "replace")
        return iter([FILTERED if pattern and text else text])
    return _written(_fields(job, pattern), pattern, most, indent, spared=_FIELDS)


def _fields(job: Job, pattern: re.Pattern[str] | None) -> dict[str, Any]:
    """Those of the payload; what is filtered inside of them still is to be."""
    shown: dict[str, Any] = dict(job.payload)
    for key in shown:
        if key not in _FIELDS and pattern is not None and pattern.search(key):
            shown[key] = FILTERED
    if isinstance(shown.get("args"), list):
        shown["args"] = _visible_stored(job, shown["args"])
    return shown


def _visible_stored(job: Job, args: list[Any]) -> list[Any]:
    """The payload's own arguments; of Active Job's, those of the job lie in the first one."""
    if "wrapped" not in job.payload or job.payload.get("class") not in WRAPPERS:
        return _visible(job)
    hidden = _hidden_positions(job, len(job.args))
    inner = args[0] if len(args) == 1 else None
    stored = inner.get("arguments") if isinstance(inner, dict) else None
    if not hidden or not isinstance(inner, dict) or not isinstance(stored, list):
        return args
    return [{**inner, "arguments": [FILTERED if at in hidden else each for at, each in enumerate(stored)]}]


def _masked(value: Any, pattern: re.Pattern[str] | None) -> Any:
    if pattern is None:
        return value
    if isinstance(value, list):
        return [_masked(each, pattern) for each in value]
    if isinstance(value, dict):
        return {key: FILTERED if pattern.search(key) else _masked(each, pattern) for key, each in value.items()}
    return value


def _written(
    value: Any,
    pattern: re.Pattern[str] | None,
    most: int,
    indent: str = "",
    level: int = 0,
    spared: Collection[str] = (),
) -> Iterator[str]:
    """JSON piece by piece, so that of a large value no more is written than is shown."""
    space = "\n" + indent * (level + 1) if indent else ""
    end = "\n" + indent * level if indent else ""
    if isinstance(value, dict) and value:
        between = "{"
        for key, each in value.items():
            yield f"{between}{space}{_text(key, most)}:{' ' if indent else ''}"
            if pattern is not None and key not in spared and pattern.search(key):
                each = FILTERED
            yield from _written(each, pattern, most, indent, level + 1)
            between = ","
        yield end + "}"
    elif isinstance(value, list) and value:
        between = "["
        for each in value:
            yield between + space
            yield from _written(each, pattern, most, indent, level + 1)
            between = ","
        yield end + "]"
    else:
        yield _text(value, most) if isinstance(value, str) else json.dumps(value)


def _text(value: str, most: int) -> str:
    return json.dumps(value[: most + 1], ensure_ascii=False)


def _collected(pieces: Iterator[str], most: int) -> Shown:
    """The first `most` characters of it."""
    parts: list[str] = []
    length = 0
    for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length > most:
            return Shown("".join(parts)[:most], True)
    return Shown("".join(parts), False)
