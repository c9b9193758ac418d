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


_SNAPSHOT = """
local found = {}
local function add(place, jobs)
  if #jobs > 0 then
    found[#found + 1] = { place, jobs }
  end
end
for _, key in ipairs(redis.call('KEYS', 'queue:*')) do
  add(key, redis.call('LRANGE', key, 0, -1))
end
for _, name in ipairs({ 'schedule', 'retry', 'dead' }) do
  add(name, redis.call('ZRANGE', name, 0, -1))
end
local flights = redis.call('KEYS', 'fastkiq:flight:*')
for _, name in ipairs(redis.call('ZRANGE', 'fastkiq:alive', 0, -1)) do
  local start = 'fastkiq:flight:' .. name .. ':'
  for _, key in ipairs(flights) do
    if string.sub(key, 1, #start) == start then
      add('flight', redis.call('LRANGE', key, 0, -1))
    end
  end
end
return found
"""


def places(redis: redis_py.Redis) -> dict[int, list[str]]:
    """Job (its first argument) -> the places it lies in, all at one instant: else a job on its way from one to another
    would be seen in neither. A flight whose process is not in the registry is no place."""
    found: dict[int, list[str]] = {}
    for place, payloads in redis.eval(_SNAPSHOT, 0):
        for number in numbers_of(payloads):
            found.setdefault(number, []).append(place.decode())
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
