"""Parts of the sorted sets and queues, as `lua/page.lua` and `lua/jobs.lua` answer them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from fastkiq.api.connection import Redis
from fastkiq.api.cursor import Cursor
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, LONGEST, text
from fastkiq.errors import ArgumentError

LOOK: Final = 1_500
"""Entries that one script looks at for a filter."""
_LOOK_BYTES: Final = 4_194_304
"""Bytes that it looks at, past the first entry: with this and `LOOK` Redis is busy for up to 5 ms."""
ORDERS: Final = ("next", "latest")


class Stored(NamedTuple):
    """An entry as it is stored."""

    raw: bytes | None
    """None: it is too long to be sent with others."""
    score: float
    ties: int
    length: int


class Part(NamedTuple):
    """Entries that one script has answered."""

    total: int
    """In the set; -1 when the key holds something else."""
    looked: int
    at: Cursor
    """Where the next part begins."""
    entries: list[Stored]


def part(redis: Redis, key: str, order: str, at: Cursor, ask: int, most: int, needles: Sequence[bytes] = ()) -> Part:
    """At most `most` entries that hold all needles, of the next `ask`."""
    words = [order, at.score, at.where, ask, most, LONGEST, ANSWER, _LOOK_BYTES, *needles]
    total, looked, score, where, below, scores, ties, lengths, raws = run(redis, "page", [key], words)
    facts = zip(raws, map(float, scores.split()), map(int, ties.split()), map(int, lengths.split()), strict=True)
    return Part(total, looked, Cursor(text(score), where, below), list(map(Stored._make, facts)))


def behind(redis: Redis, key: str, order: str, entry: Stored) -> Cursor:
    """The place behind this entry, whether or not it is still there."""
    bound = (entry.raw or b"") + (b"\0" if order == "next" else b"")
    return part(redis, key, order, Cursor(repr(entry.score), b"p" + bound), 0, 0).at


class Jobs(NamedTuple):
    """Jobs of a queue that one script has answered."""

    total: int
    looked: int
    jobs: list[tuple[bytes | None, int]]
    """Each with the number of jobs looked at up to it."""


def jobs(redis: Redis, key: str, order: str, at: int, ask: int, most: int, needles: Sequence[bytes] = ()) -> Jobs:
    """At most `most` jobs that hold all needles, of the next `ask`, behind the first `at`."""
    words = [order, at, ask, most, LONGEST, ANSWER, _LOOK_BYTES, *needles]
    total, looked, passed, raws = run(redis, "jobs", [key], words)
    return Jobs(total, looked, list(zip(raws, passed, strict=True)))


def ordered(order: str) -> str:
    """Raises ArgumentError for an order that is none."""
    if order not in ORDERS:
        raise ArgumentError(f"there is no order {order!r:.40}; there are {', '.join(ORDERS)}")
    return order
