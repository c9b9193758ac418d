"""What Sidekiq's readers can show: one wrong entry takes the page of its whole set or queue down.

`flaw` says it in Python; `tests/sidekiq/test_crashes.py` asks Ruby whether it is right.
"""

import base64
import json
import math
import zlib
from typing import Any

WRAPPERS = ("Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper")
TIMES = ("created_at", "enqueued_at")
UNREADABLE = "fastkiq.Unreadable"


def kept(entry: bytes) -> bytes:
    """What a member of the dead set holds that was no job: the bytes as they were found."""
    payload = parsed(entry)
    if not isinstance(payload, dict) or payload.get("class") != UNREADABLE:
        return entry
    form, text = payload["args"]
    return base64.b64decode(text, validate=True) if form == "base64" else str(text).encode()


def parsed(raw: bytes) -> Any:
    """JSON as strictly as Ruby reads it; None where it does not."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key comes twice")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise ValueError(word)

    try:
        value = json.loads(raw.decode(), object_pairs_hook=once, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate
    except (ValueError, RecursionError):
        return None
    return value


def flaw(key: str, raw: bytes) -> str | None:
    """Why a member of `retry`, `dead` or `schedule`, or an item of `queue:<name>`, crashes a page; None when safe."""
    payload = parsed(raw)
    if not isinstance(payload, dict):
        return "it is no JSON object"
    in_queue = key.startswith("queue:")
    if not in_queue and not isinstance(payload.get("queue"), str):
        return "queue"
    if _is_true(payload.get("tags")) and not isinstance(payload["tags"], (list, dict)):
        return "tags"
    if in_queue and not isinstance(payload.get("cattr"), (list, dict, type(None))):
        return "cattr"
    if in_queue and not _is_time(
        payload["enqueued_at"] if _is_true(payload.get("enqueued_at")) else payload.get("created_at")
    ):
        return "enqueued_at"
    return _wrapper(payload) or (None if in_queue else _detail(key, payload))


def _detail(key: str, payload: dict[str, Any]) -> str | None:
    """The page of one entry of a sorted set."""
    for field in TIMES:
        if not _is_time(payload.get(field)):
            return field
    if key == "schedule":
        return None
    if not _unpacks(payload.get("error_backtrace")):
        return "error_backtrace"
    if key == "dead":
        return None
    count = payload["retry_count"] if _is_true(payload.get("retry_count")) else 0
    if type(count) not in (int, float):
        return "retry_count"
    shown = "retried_at" if count > 0 else "failed_at"
    return None if _is_true(payload.get(shown)) and _is_time(payload[shown]) else shown


def _wrapper(payload: dict[str, Any]) -> str | None:
    """ActiveJob's wrapper, and Enterprise's encryption: both look into the arguments."""
    args = payload.get("args")
    first = args[0] if isinstance(args, list) and args else None
    if payload.get("class") in WRAPPERS and _is_true(payload.get("wrapped")) and not isinstance(first, (dict, str)):
        return "wrapped"
    if _is_true(payload.get("encrypt")) and not (isinstance(args, list) and args):
        return "encrypt"
    return None


def _is_true(value: Any) -> bool:
    """As Ruby sees it."""
    return value is not None and value is not False


def _is_time(value: Any) -> bool:
    if not _is_true(value):
        return True
    return type(value) in (int, float) and math.isfinite(value)


def _unpacks(value: Any) -> bool:
    if not _is_true(value):
        return True
    if not isinstance(value, str):
        return False
    try:
        return isinstance(json.loads(zlib.decompress(base64.b64decode(value))), list)
    except (ValueError, zlib.error):
        return False
