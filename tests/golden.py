"""What an operation leaves in Redis, with all that differs from run to run masked, and the recording of real Sidekiq's.

`tests/sidekiq/golden.json` is written by `make golden`; `tests/integration/test_golden.py` compares fastkiq with it.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import redis as redis_py

FILE = Path(__file__).parent / "sidekiq" / "golden.json"
Snapshot = dict[str, dict[str, Any]]

# Seconds from now within which an entry is due: delay and jitter. Elsewhere it is now.
DUE = {
    "push_in": (600, 600),
    "push_at": (600, 600),
    "first_failure": (15, 25),
    "second_failure": (16, 36),
    "rescheduled": (900, 900),
}
TTLS = (60, 28_800, 259_200, 7_776_000, 157_680_000)
# A number stays one, so that the text stays JSON.
MASKS = [
    (r'(\\?"(?:created_at|enqueued_at|failed_at|retried_at)\\?":)\d{13}\b', r"\g<1>0"),
    (r'(\\?"jid\\?":\\?")[0-9a-f]{24}', r"\1JID"),
    (r'("error_class":)"[^"]*"', r'\1"CLASS"'),
    (r'("error_backtrace":)"eJ[A-Za-z0-9+/=]+"', r'\1"BACKTRACE"'),
    (r'("started_at":)\d+\.\d+', r"\g<1>0.5"),
    (r'("run_at":)\d{10}\b', r"\g<1>0"),
    (r'("pid":)\d+', r"\g<1>0"),
    (r'("hostname":)"[^"]*"', r'\1"HOST"'),
    (r'("version":)"[^"]*"', r'\1"VERSION"'),
    (r'("tag":)"[^"]*"', r'\1"TAG"'),
    (r"[^\s\":]+:\d+:[0-9a-f]{12}", "IDENTITY"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", "MINUTE"),
]
KEYS = [
    (r"[^:]+:\d+:[0-9a-f]{12}", "IDENTITY"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"^\d{8}-marks", "DATE-marks"),
    (r"^j\|\d{6}\|\d{1,2}:\d\d$", "j|DATE|H:MM"),
    (r"^j\|\d{6}\|\d{1,2}:\d$", "j|DATE|H:M"),
    (r"^(h\|[A-Za-z]+)-\d{1,2}-\d{1,2}:\d{1,2}$", r"\1-D-H:M"),
]
# Sidekiq's lock of who looks for dead processes: when that is, is left to chance.
IGNORED = {"process_cleanup"}
# Of the process hash: a number each, whatever it is.
NUMBERS = {"beat", "rss", "rtt_us"}


def masked(text: str, rules: list[tuple[str, str]]) -> str:
    for pattern, mask in rules:
        text = re.sub(pattern, mask, text)
    return text


def _due(operation: str, score: float) -> str:
    low, high = DUE.get(operation, (0, 0))
    # The run itself takes its time, on a busy machine too.
    away = score - time.time()
    return f"in {low} to {high} s" if low - 20 <= away <= high + 1 else f"in {away} s"


def _ttl(seconds: int) -> int | str:
    if seconds == -1:
        return "none"
    return next((ttl for ttl in TTLS if ttl - 30 <= seconds <= ttl), seconds)


def _field(name: str, value: str) -> str:
    if name in NUMBERS:
        return "N" if re.fullmatch(r"\d+(\.\d+)?", value) else value
    return "MS" if name.endswith("|ms") and value.isdigit() else masked(value, MASKS)


def snapshot(redis: redis_py.Redis, operation: str) -> Snapshot:
    """Every key with its type, seconds to live and contents, but for what tests keep there themselves."""
    found: Snapshot = {}
    for key in sorted(redis.keys("*")):
        name = masked(key.decode(), KEYS)
        if name in IGNORED:
            continue
        kind = redis.type(key).decode()
        value: Any
        if kind == "list":
            value = [masked(item.decode(), MASKS) for item in redis.lrange(key, 0, -1)]
        elif kind == "set":
            value = sorted(masked(item.decode(), MASKS) for item in redis.smembers(key))
        elif kind == "zset":
            pairs = redis.zrange(key, 0, -1, withscores=True)
            value = [[masked(item.decode(), MASKS), _due(operation, score)] for item, score in pairs]
        elif kind == "hash":
            # A thread has a name of its own.
            own = name.endswith(":work")
            items = {field.decode(): text.decode() for field, text in redis.hgetall(key).items()}
            value = {("TID" if own else masked(field, MASKS)): _field(field, text) for field, text in items.items()}
        else:
            value = "COUNTERS" if name.startswith("h|") else redis.get(key).decode()
        if name.startswith("deploylock"):
            value = "MINUTE"
        if kind == "hash" and name in found:  # a minute has ended meanwhile
            value = {**found[name]["value"], **value}
        found[name] = {"type": kind, "ttl": _ttl(redis.ttl(key)), "value": value}
    return found


def recorded() -> dict[str, Snapshot]:
    """By operation."""
    operations: dict[str, Snapshot] = json.loads(FILE.read_text(encoding="utf-8"))["operations"]
    return operations


def fields(text: Any) -> Any:
    """A masked JSON text as an object, whose fields have no order to compare; other texts as they are."""
    if not isinstance(text, str) or not text.startswith("{"):
        return text
    found = json.loads(text)
    return {**found, "payload": json.loads(found["payload"])} if "payload" in found else found
