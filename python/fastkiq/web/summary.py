"""The figures that each page shows: those at its top, and the facts about Redis at its foot."""

from typing import NamedTuple

from fastkiq.api import Redis, Server, Stats, Summary


class Figures(NamedTuple):
    """As Redis has them now; `busy` is as of the last heartbeats."""

    summary: Summary
    server: Server


def read_figures(redis: Redis) -> Figures:
    """Some dozen commands. Raises RedisError."""
    stats = Stats(redis)
    return Figures(stats.summary(), stats.server())
