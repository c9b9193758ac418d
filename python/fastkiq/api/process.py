"""Processes that run jobs, by their heartbeats: fastkiq's and Sidekiq's alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastkiq.api.connection import Redis, connect
from fastkiq.api.members import members
from fastkiq.api.page import Page
from fastkiq.api.scripts import run
from fastkiq.api.values import LONGEST, groups, moment, names, number, record, text
from fastkiq.config import Config
from fastkiq.errors import ArgumentError

MOST_PROCESSES: Final = 10_000
_FIELDS: Final = ("info", "busy", "concurrency", "rss", "quiet", "beat", "rtt_us")
_TOGETHER: Final = 100
SIGNALS: Final = ("TSTP", "TERM", "TTIN", "STACKS")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its last heartbeat showed it. Signals reach it at its next one (5 s; Sidekiq 10 s)."""

    identity: str
    """`host:pid:nonce`."""
    hostname: str
    pid: int
    tag: str
    labels: list[str]
    version: str
    """What runs there: `fastkiq 0.1.0`, or Sidekiq's version."""
    queues: list[str]
    capsules: dict[str, Any]
    """Name -> its `concurrency`, `mode` and `weights`, as published; empty for an old Sidekiq."""
    concurrency: int
    """Jobs that may run at once."""
    busy: int
    rss: int
    """Bytes of memory."""
    rtt: float
    """Seconds that its last trip to Redis took."""
    beat: float | None
    """Epoch seconds of the last heartbeat."""
    started_at: float | None
    """Epoch seconds."""
    is_quiet: bool
    """Whether it takes no more jobs."""
    is_embedded: bool
    """Whether it runs inside of another program, which alone may stop it."""
    redis: Redis = field(repr=False)

    @property
    def is_fastkiq(self) -> bool:
        """Whether it is one of fastkiq's, which alone can be asked for `stacks`."""
        return self.version.startswith("fastkiq")

    def quiet(self) -> None:
        """Lets it take no more jobs. There is no way back."""
        signal(self.redis, [self.identity], "TSTP")

    def stop(self) -> None:
        """Lets it end; what still runs at its deadline goes back to the queue."""
        signal(self.redis, [self.identity], "TERM")

    def dump(self) -> None:
        """Lets it log what all of its threads do."""
        signal(self.redis, [self.identity], "TTIN")


class ProcessSet:
    """All processes whose heartbeat is not older than a minute. `redis` is a client of `connect()`."""

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)
        self.notes: list[str] = []
        """What the last listing has left out, and why."""

    def __iter__(self) -> Iterator[Process]:
        """By identity."""
        return iter(self._read(self._identities()))

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[Process]:
        """At most `limit` of them by identity; `cursor` is the `next` of the page before."""
        identities = self._identities()
        after = _identity(cursor) if cursor else b""
        rest = [each for each in identities if each > after] if cursor else identities
        some = rest[:limit]
        following = some[-1].hex() if len(rest) > limit else None
        return Page(self._read(some), len(identities), len(some), following, list(self.notes))

    def get(self, identity: str) -> Process | None:
        """The one with this identity, if it lives."""
        name = identity.encode("utf-8", "surrogatepass")
        found = self._read([name]) if self.redis.sismember("processes", identity) else []
        return found[0] if found else None

    @property
    def size(self) -> int:
        """Processes, among them such as have ended within the last minute without taking leave."""
        return int(self.redis.scard("processes"))

    def totals(self) -> tuple[int, int, int, int]:
        """(living processes, jobs that run, jobs that may run, bytes of memory), of all together."""
        processes, busy, concurrency, rss = 0, 0, 0, 0
        for some in groups(self._identities(), 500):
            found = run(self.redis, "totals", some, [])
            processes, busy, concurrency, rss = (
                processes + found[0],
                busy + found[1],
                concurrency + found[2],
                rss + found[3] * 1024,
            )
        return processes, busy, concurrency, rss

    def quiet(self) -> int:
        """Lets all of them take no more jobs; those inside of other programs aside. Answers how many."""
        return self._signal_all("TSTP")

    def stop(self) -> int:
        """Lets all of them end; those inside of other programs aside. Answers how many."""
        return self._signal_all("TERM")

    def prune(self) -> int:
        """Takes those out of the set whose hash has expired; answers how many. 0 for a minute after somebody did."""
        if not self.redis.set("process_cleanup", "1", nx=True, ex=60):
            return 0
        gone = []
        for some in groups(self._identities(), _TOGETHER):
            flat = run(self.redis, "fields", some, [LONGEST // 16, "info"])
            gone += [
                identity
                for identity, info in zip(some, flat, strict=True)
                if info is None and not self.redis.hexists(identity, "info")
            ]
        return int(self.redis.srem("processes", *gone)) if gone else 0

    def _signal_all(self, name: str) -> int:
        wanted = [process.identity for process in self if not process.is_embedded]
        signal(self.redis, wanted, name)
        return len(wanted)

    def _identities(self) -> list[bytes]:
        self.notes = []
        return sorted(members(self.redis, "processes", MOST_PROCESSES, self.notes))

    def _read(self, identities: Sequence[bytes]) -> list[Process]:
        found: list[Process] = []
        for some in groups(identities, _TOGETHER):
            flat = run(self.redis, "fields", some, [LONGEST // 16, *_FIELDS])
            for at, identity in enumerate(some):
                values = dict(zip(_FIELDS, flat[at * len(_FIELDS) : (at + 1) * len(_FIELDS)], strict=True))
                if info := record(values["info"]):
                    found.append(_process(text(identity), info, values, self.redis))
        return found


def signal(redis: Redis, identities: Sequence[str], name: str) -> None:
    """Sends TSTP (quiet), TERM (stop), TTIN (log all stacks) or STACKS (tell those of running jobs) to processes."""
    if name not in SIGNALS:
        raise ArgumentError(f"there is no signal {name!r:.40}; there are {', '.join(SIGNALS)}")
    for some in groups(identities, 500):
        with redis.pipeline() as pipeline:
            for identity in some:
                pipeline.lpush(f"{identity}-signals", name)
                pipeline.expire(f"{identity}-signals", 60)
            pipeline.execute()


def _process(identity: str, info: dict[str, Any], values: dict[str, bytes | None], redis: Redis) -> Process:
    capsules = info.get("capsules")
    rtt = number(values["rtt_us"])
    return Process(
        identity=identity,
        hostname=str(info.get("hostname") or "")[:1_000],
        pid=number(info.get("pid")),
        tag=str(info.get("tag") or "")[:1_000],
        labels=names(info.get("labels")),
        version=str(info.get("version") or "")[:100],
        queues=_queues(info),
        capsules=capsules if isinstance(capsules, dict) else {},
        concurrency=number(values["concurrency"]) or number(info.get("concurrency")),
        busy=number(values["busy"]),
        rss=number(values["rss"]) * 1024,
        rtt=rtt / 1e6,
        beat=moment(values["beat"]),
        started_at=moment(info.get("started_at")),
        is_quiet=values["quiet"] == b"true",
        is_embedded=info.get("embedded") is True,
        redis=redis,
    )


def _queues(info: dict[str, Any]) -> list[str]:
    if found := names(info.get("queues")):
        return found
    capsules = info.get("capsules")
    each = (
        [capsule.get("weights") for capsule in capsules.values() if isinstance(capsule, dict)]
        if isinstance(capsules, dict)
        else []
    )
    return sorted({name for weights in each if isinstance(weights, dict) for name in weights})


def _identity(cursor: str) -> bytes:
    try:
        return bytes.fromhex(cursor)
    except ValueError:
        raise ArgumentError(f"this is no cursor of a listing: {cursor[:40]!r}") from None
