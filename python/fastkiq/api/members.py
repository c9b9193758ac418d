"""Walks over the members of a Redis set."""

from collections.abc import Iterator
from typing import cast

from fastkiq.api.connection import Redis
from fastkiq.api.values import TOGETHER
from fastkiq.errors import RedisReplyError
from fastkiq.printable import counted, printable


def members(redis: Redis, key: str, most: int, notes: list[str], what: str = "looked at") -> Iterator[bytes]:
    """So many members, each once; a note when there are more, or when the key is no set."""
    try:
        size = redis.scard(key)
    except RedisReplyError as error:
        if "WRONGTYPE" not in str(error):
            raise
        notes.append(f"{printable(key, 200)} holds something else than it should: it is left out")
        return
    if size > most:
        notes.append(f"of {counted(size, 'member')} of {key!r} only the first {most:,} are {what}")
    seen: set[bytes] = set()
    cursor = 0 if size else None
    while cursor is not None:
        cursor, found = cast("tuple[int, list[bytes]]", redis.sscan(key, cursor, count=TOGETHER))
        for name in found:
            if len(seen) >= most:
                return
            if name not in seen:  # a walk may come by twice
                seen.add(name)
                yield name
        cursor = cursor or None
