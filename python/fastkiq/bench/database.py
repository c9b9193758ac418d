"""The database that is measured in: empty before, as empty after, and nobody else's."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastkiq import _core
from fastkiq.bench.errors import BenchError
from fastkiq.bench.meter import info
from fastkiq.bench.queues import NOTHING, WAKE
from fastkiq.errors import RedisConnectionError, RedisError

ASIDE: Final = "fastkiq-bench:aside:"
"""Before the name of a queue: where its jobs lie until the workers may see them."""
SHARE: Final = 0.5
"""Of the memory that there is, what the jobs may take: Redis needs some beside them, and may not be alone."""


def check(core: _core.Client, url: str, queues: Sequence[str]) -> None:
    """Raises BenchError unless the database is known to be empty, and what is put there can be deleted again.

    RedisConnectionError when there is none.
    """
    parsed = _core.parse_url(url)
    where = f"database {parsed['db'] or 0} of {parsed['safe']}"
    try:
        keys = core.command("DBSIZE")
        if not keys:
            clean(core, queues, ())
            return
    except RedisConnectionError:
        raise
    except RedisError as error:
        raise BenchError(f"bench needs to look at and delete keys in {where}, and cannot: {error}") from None
    raise BenchError(
        f"{where} holds {keys:,} key{'' if keys == 1 else 's'}; bench measures in an empty database only, "
        f"and never empties one: {_elsewhere(core)}"
    )


def check_room(core: _core.Client, size: int) -> None:
    """Raises BenchError when `size` bytes are more than SHARE of what the server has left, as far as it tells."""
    try:
        facts = info(core, "memory")
        left = (int(facts["maxmemory"]) or int(facts["total_system_memory"])) - int(facts["used_memory"])
    except (RedisError, KeyError, ValueError):
        return
    if size > left * SHARE:
        raise BenchError(
            f"so many jobs of that size take {size / 2**20:,.0f} MiB of Redis's memory, "
            f"and it has {max(left, 0) / 2**20:,.0f} MiB left, of which they may take {SHARE:.0%}"
        )


def _elsewhere(core: _core.Client) -> str:
    """What to do instead."""
    try:
        used = info(core, "keyspace")
        most = int(core.command("CONFIG", "GET", "databases")[1])
    except (RedisError, ValueError, IndexError):
        return "name another at the end of the URL (/1, /2 ...), or another server"
    free = next((number for number in range(most - 1, 0, -1) if f"db{number}" not in used), None)
    if free is None:
        return "name another server, since this one has no empty database"
    return f"end the URL with /{free}, which is an empty one, or name another server"


def clean(core: _core.Client, queues: Sequence[str], pids: Sequence[int]) -> None:
    """Deletes what the measurement has made, and nothing else, should somebody have come in the meantime.

    `pids`: those of the workers, which must have ended. Raises RedisError.
    """
    for queue in queues:
        core.command("UNLINK", f"queue:{queue}", ASIDE + queue)
        core.command("SREM", "queues", queue)
    # Totals begin with the first job of a database, suspects are those of our workers that had to be killed, and the
    # lock on cleaning ends by itself in a minute.
    classes = f"(?:{NOTHING}|{WAKE})".encode()
    own = rb"stat:(processed|failed)(:[\d-]+)?|fastkiq:suspects|process_cleanup|h\|%s-[\d:-]+"
    ours = re.compile(own % classes)
    counts = re.compile(rb"^%s\|(?:p|f|ms)$" % classes)
    identity = re.compile(rb":(?:%s):[0-9a-f]{12}(?:[:-]|$)" % b"|".join(b"%d" % pid for pid in pids or [0]))
    for key in list(_keys(core)):
        if ours.fullmatch(key) or identity.search(key):
            core.command("UNLINK", key)
        elif key in (b"fastkiq:alive", b"fastkiq:tombs"):
            _remove(core, "ZREM", key, core.command("ZRANGE", key, 0, -1), identity)
        elif key == b"processes":
            _remove(core, "SREM", key, core.command("SMEMBERS", key), identity)
        elif key.startswith(b"fastkiq:machine:"):
            _remove(core, "HDEL", key, core.command("HKEYS", key), identity)
        elif re.fullmatch(rb"j\|\d{6}\|[\d:]+", key):
            _remove(core, "HDEL", key, core.command("HKEYS", key), counts)


def _remove(core: _core.Client, command: str, key: bytes, members: list[bytes], ours: re.Pattern[bytes]) -> None:
    gone = [member for member in members if ours.search(member)]
    if gone:
        core.command(command, key, *gone)


def _keys(core: _core.Client) -> Iterator[bytes]:
    cursor: Any = b"0"
    while True:
        cursor, keys = core.command("SCAN", cursor, "COUNT", 1_000)
        yield from keys
        if cursor == b"0":
            return
