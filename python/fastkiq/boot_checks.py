"""What a server must be, and should be, before jobs are trusted to it."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fastkiq.errors import FastkiqError

OLDEST: Final = (6, 2)
SLOW_TRIP: Final = 0.05
"""Seconds. A job costs a share of a round trip, a push a whole one."""
_SLOW_IN_A_ROW: Final = 5


class BootError(FastkiqError):
    """This process must not run as it is set up."""


def refuse_old(info: Mapping[str, str]) -> None:
    """Raises BootError for a server without the commands that the reliable fetch needs. An unknown version passes."""
    version = info.get("redis_version", "")
    numbers = [int(part) for part in version.split(".")[:2] if part.isascii() and part.isdigit()]
    if len(numbers) == 2 and tuple(numbers) < OLDEST:
        raise BootError(f"Redis {version} is too old: fastkiq needs 6.2 or newer (or Valkey)")


class Remark(NamedTuple):
    """Something that can lose jobs."""

    level: Literal["warning", "critical"]
    found: str
    do: str


def eviction(info: Mapping[str, str]) -> Remark | None:
    """What is wrong with what Redis does when it is full."""
    policy = info.get("maxmemory_policy", "")
    if policy in ("", "noeviction"):
        return None
    do = "set maxmemory-policy noeviction"
    if policy.startswith("volatile-"):
        found = "Redis drops keys that expire when it is full"
        return Remark("warning", f"{found} (maxmemory-policy {policy}): jobs do not, the process list does", do)
    found = f"Redis drops keys when it is full (maxmemory-policy {policy}), and jobs are keys"
    return Remark("warning" if info.get("maxmemory") == "0" else "critical", found, do)


def persistence(info: Mapping[str, str]) -> Remark | None:
    """What is wrong with what Redis keeps on disk. Nothing is, as far as it hides that."""
    if info.get("aof_enabled") != "0" or "rdb_saves" not in info:
        return None
    # Redis loads only the append-only file when it is told to keep one, and after such a restart there is none.
    do = (
        "CONFIG SET appendonly yes on the running server, then write it into redis.conf: "
        "a restart with it set first starts empty"
    )
    if not info["rdb_saves"].strip('" '):
        return Remark("critical", "Redis keeps nothing on disk: a restart loses every job", do)
    return Remark("warning", "Redis saves snapshots only: a crash loses the jobs since the last one", do)


def warnings(info: Mapping[str, str]) -> list[str]:
    """What can lose jobs, one sentence each."""
    return [f"{remark.found}; {remark.do}" for remark in (eviction(info), persistence(info)) if remark is not None]


class RoundTrips:
    """Watches the round trips of the beats; says so once when they stay slow, and again only after a good one."""

    def __init__(self) -> None:
        self._slow = 0

    def beat(self, seconds: float) -> str | None:
        """The warning that is due now, if one is."""
        self._slow = self._slow + 1 if seconds > SLOW_TRIP else 0
        if self._slow != _SLOW_IN_A_ROW:
            return None
        return (
            f"a round trip to Redis took {seconds * 1000:.0f} ms, {_SLOW_IN_A_ROW} times in a row over "
            f"{SLOW_TRIP * 1000:.0f} ms: the machine or the network is too busy, or Redis too far away"
        )
