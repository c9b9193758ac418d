"""Accounts for each job: it has run to its end, or it lies in exactly one place from which it will."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import redis as redis_py

from faults.lab.ledger import Ledger
from servers import wait_until


@dataclass
class Account:
    """What became of the jobs."""

    jobs: int
    ended: int
    waiting: Counter[str] = field(default_factory=Counter)
    """Jobs that have not ended, by the place they lie in."""
    lost: list[int] = field(default_factory=list)
    doubled: dict[int, list[str]] = field(default_factory=dict)
    """Jobs that have not ended and lie in more than one place."""

    def assert_sound(self) -> None:
        assert not self.lost, f"{len(self.lost)} of {self.jobs} jobs are lost: {sorted(self.lost)[:20]}"
        assert not self.doubled, f"jobs in more than one place: {dict(list(self.doubled.items())[:20])}"


def numbers_of(payloads: Iterable[bytes]) -> Iterator[int]:
    """The jobs' numbers: their first arguments."""
    for payload in payloads:
        args = json.loads(payload)["args"]
        if args and isinstance(args[0], int):
            yield args[0]


def places(redis: redis_py.Redis) -> dict[int, list[str]]:
    """Job (its first argument) -> the places it lies in. A flight whose process is not in the registry is none."""
    found: dict[int, list[str]] = {}

    def lies_in(place: str, payloads: Iterable[bytes]) -> None:
        for number in numbers_of(payloads):
            found.setdefault(number, []).append(place)

    alive = [name.decode() for name in redis.zrange("fastkiq:alive", 0, -1)]
    for key in redis.scan_iter("queue:*", count=1000):
        lies_in(key.decode(), redis.lrange(key, 0, -1))
    for name in ("schedule", "retry", "dead"):
        lies_in(name, redis.zrange(name, 0, -1))
    for key in redis.scan_iter("fastkiq:flight:*", count=1000):
        if any(key.decode().startswith(f"fastkiq:flight:{name}:") for name in alive):
            lies_in("flight", redis.lrange(key, 0, -1))
    return found


def account(redis: redis_py.Redis, ledger: Ledger, jobs: Iterable[int]) -> Account:
    """Where each of the jobs is. Redis first, the ledger second: a job that ends in between is counted as ended."""
    found = places(redis)
    ledger.read()
    numbers = list(jobs)
    result = Account(len(numbers), 0)
    for number in numbers:
        if number in ledger.ended:
            result.ended += 1
        elif number not in found:
            result.lost.append(number)
        elif len(found[number]) > 1:
            result.doubled[number] = found[number]
        else:
            result.waiting[found[number][0]] += 1
    return result


def leftovers(redis: redis_py.Redis) -> list[str]:
    """Every key that still holds claimed jobs, of the living and of the dead."""
    return sorted(key.decode() for key in redis.scan_iter("fastkiq:flight*", count=1000))


def settle(redis: redis_py.Redis, ledger: Ledger, jobs: set[int], timeout: float = 60) -> Account:
    """Waits until all jobs have ended (or lie in the dead set) and the flights are empty; answers the account.

    Raises AssertionError when that takes longer than `timeout` seconds, or a job is lost or lies in two places.
    """

    def through() -> bool:
        left = jobs - ledger.read().ended
        return not left or left <= set(numbers_of(redis.zrange("dead", 0, -1)))

    try:
        wait_until(through, timeout, "all jobs")
    except AssertionError:
        found = account(redis, ledger, jobs)
        found.assert_sound()
        raise AssertionError(f"not through after {timeout} s: {found}") from None
    wait_until(lambda: not leftovers(redis), 15, "empty flights")
    found = account(redis, ledger, jobs)
    found.assert_sound()
    return found
