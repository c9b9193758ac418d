"""What the metrics in Redis say, added up over all minutes: a test may run over the end of one."""

import re
from collections import Counter, defaultdict

import redis as redis_py

MINUTE = re.compile(rb"j\|\d{6}\|\d{1,2}:\d\d")
TEN_MINUTES = re.compile(rb"j\|\d{6}\|\d{1,2}:\d")
BUCKETS = 26


def totals(redis: redis_py.Redis, kind: re.Pattern[bytes] = MINUTE) -> dict[str, dict[str, int]]:
    """Class -> "p" (runs), "f" (failures), "ms" -> number; what was never written is absent."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key in redis.scan_iter("j|*"):
        if kind.fullmatch(key):
            for field, count in redis.hgetall(key).items():
                name, _, what = field.decode().rpartition("|")
                found[name][what] += int(count)
    return {name: dict(counts) for name, counts in found.items()}


def histogram(redis: redis_py.Redis, name: str) -> list[int]:
    """Runs by bucket."""
    buckets = [0] * BUCKETS
    for key in redis.scan_iter(f"h|{name}-*"):
        fields = redis.bitfield(key)
        for number in range(BUCKETS):
            fields = fields.get("u16", f"#{number}")
        buckets = [sum(pair) for pair in zip(buckets, fields.execute(), strict=True)]
    return buckets
