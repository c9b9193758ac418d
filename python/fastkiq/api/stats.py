"""Totals, sizes, their history, and the state of Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from fastkiq.api.connection import Redis, connect, translated
from fastkiq.api.process import ProcessSet
from fastkiq.api.queue import Queue, enqueued
from fastkiq.api.values import number
from fastkiq.config import Config
from fastkiq.errors import ArgumentError, RedisReplyError
from fastkiq.printable import printable

MOST_DAYS: Final = 1_825
"""Five years: what Redis keeps of the daily counts."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures that head each page."""

    processed: int
    """Runs that ended, those that failed among them."""
    failed: int
    busy: int
    """Jobs that run, by the last heartbeats."""
    processes: int
    enqueued: int
    """Jobs that wait in queues."""
    scheduled: int
    retries: int
    dead: int
    notes: Sequence[str] = ()
    """What could not be counted, and why."""


@dataclass(frozen=True, slots=True)
class Day:
    """The counts of one day in UTC."""

    date: date
    processed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Server:
    """Redis, or Valkey, itself."""

    name: str
    """`redis`, `valkey` or `dragonfly`."""
    version: str
    redis_version: str
    """The version of Redis that it passes for."""
    uptime: int
    """Seconds."""
    uptime_days: int
    clients: int
    memory: int
    """Bytes in use."""
    peak_memory: int
    most_memory: int
    """Bytes at which it is full; 0 = no bound."""


class Stats:
    """`redis` is a client of `connect()`. Each call asks Redis anew."""

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)

    def summary(self) -> Summary:
        """All figures, in a handful of commands whatever the number of jobs, queues and processes."""
        notes: list[str] = []
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.get("stat:processed")
            pipeline.get("stat:failed")
            for key in ("schedule", "retry", "dead"):
                pipeline.zcard(key)
            answers = pipeline.execute(raise_on_error=False)
        sizes = []
        for key, answer in zip(("stat:processed", "stat:failed", "schedule", "retry", "dead"), answers, strict=True):
            sizes.append(_sound(key, answer, notes))
        alive = ProcessSet(self.redis)
        processes, busy, _, _ = alive.totals()
        notes += alive.notes
        waiting = enqueued(self.redis, notes)
        return Summary(sizes[0], sizes[1], busy, processes, waiting, sizes[2], sizes[3], sizes[4], notes)

    def history(self, days: int = 30, until: date | None = None) -> list[Day]:
        """The counts of so many days, the latest first, at most 1,825; `until` is today in UTC unless it is given."""
        if not 1 <= days <= MOST_DAYS:
            raise ArgumentError(f"days are 1 to {MOST_DAYS:,}, not {days:,}")
        last = until or datetime.now(UTC).date()
        dates = [last - timedelta(days=back) for back in range(days)]
        keys = [f"stat:{what}:{each.isoformat()}" for each in dates for what in ("processed", "failed")]
        counts = [number(value) for value in self.redis.mget(keys)]
        return [Day(each, counts[2 * at], counts[2 * at + 1]) for at, each in enumerate(dates)]

    def server(self) -> Server:
        """Facts about Redis."""
        info = {key: value for key, value in self.redis.info().items() if isinstance(value, (str, int, float))}
        name = next((each for each in ("dragonfly", "valkey") if f"{each}_version" in info), "redis")
        return Server(
            name=name,
            version=str(info.get(f"{name}_version", "?")).removeprefix("df-"),
            redis_version=str(info.get("redis_version", "?")),
            uptime=number(info.get("uptime_in_seconds")),
            uptime_days=number(info.get("uptime_in_days")),
            clients=number(info.get("connected_clients")),
            memory=number(info.get("used_memory")),
            peak_memory=number(info.get("used_memory_peak")),
            most_memory=number(info.get("maxmemory")),
        )

    def default_latency(self) -> float:
        """Seconds that the next job of the queue `default` has waited."""
        try:
            return Queue("default", self.redis).latency
        except RedisReplyError:
            return 0.0

    def reset(self) -> None:
        """Sets the totals of runs and failures to 0; the daily counts stay."""
        self.redis.mset({"stat:processed": 0, "stat:failed": 0})


def _sound(key: str, answer: object, notes: list[str]) -> int:
    if isinstance(answer, Exception):
        if "WRONGTYPE" not in str(answer):
            raise translated(answer)
        notes.append(f"{printable(key, 200)} holds something else than it should: it is left out")
        return 0
    return number(answer)
