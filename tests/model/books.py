"""The books of the model: where each job lies in Redis, before and after each call, and what no call may do."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import redis as redis_py

from model.calls import Call, queue

SETS = ("schedule", "retry", "dead")
DUMP = """
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'list' then
    out[#out + 1] = { key, redis.call('LRANGE', key, 0, -1) }
  elseif key == 'schedule' or key == 'retry' or key == 'dead' then
    out[#out + 1] = { key, redis.call('ZRANGE', key, 0, -1) }
  end
end
return { redis.call('GET', 'stat:processed') or '0', redis.call('GET', 'stat:failed') or '0', out }
"""
NOTHING: Counter[str] = Counter()


def jid(payload: bytes) -> str:
    return str(json.loads(payload)["jid"])


class Books:
    """Follows every job. Any step that loses or doubles one, or miscounts, fails an assertion here."""

    def __init__(self, redis: redis_py.Redis) -> None:
        redis.flushall()
        self.redis = redis
        self.places: dict[str, list[bytes]] = {}
        self.pushed: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        """How often a process ran the job to its end, or meant to drop it, whether Redis heard of it or not."""
        self.written: dict[str, set[bytes]] = {}
        self.counted = [0, 0]
        self._serial = 0

    # Payloads

    def payload(self, name: str) -> bytes:
        """A payload of the job that has never been written before: as one with other spliced fields."""
        self._serial += 1
        text = json.dumps({"jid": name, "n": self._serial}).encode()
        self.written.setdefault(name, set()).add(text)
        return text

    def push(self, place: str, payload: bytes) -> None:
        """Into a queue, or to be due at once."""
        if place in SETS:
            self.redis.zadd(place, {payload: 1})
        else:
            self.redis.lpush(place, payload)
        self.pushed[jid(payload)] += 1
        self.look()

    def has_copies(self, name: str) -> bool:
        """Byte-identical copies are one job to Redis: a call that is repeated may take the other copy."""
        return self.pushed[name] > 1

    # Calls

    def run(self, call: Call, may_remove: Mapping[str, int] = NOTHING) -> Any:
        """Runs the call and compares what it did with what it may do."""
        before = self.present()
        answer = call.run(self.redis)
        self._count(call, answer)
        self._read()
        after = self.present()
        assert not after - before, f"{call} doubled {after - before}"
        gone = before - after
        for name, times in gone.items():
            collapsed = call.script == "settle" and self.has_copies(name)
            assert collapsed or times <= may_remove.get(name, 0), f"{call} lost {name}"
        if call.script == "ack":
            assert gone.total() == answer
        self.removed += gone
        self._check()
        return answer

    def lmove(self, name: str, flight: str) -> bytes | None:
        job = self.redis.lmove(queue(name), flight, "RIGHT", "LEFT")
        self.look()
        return job

    def _count(self, call: Call, answer: Any) -> None:
        if call.script == "ack":
            self.counted[0] += answer
        elif call.script == "settle" and answer == 1:
            self.counted[0] += call.args[4] >= 0
            self.counted[1] += call.args[4] == 1
        elif call.script == "give_back" and call.args[1] == 1:
            self.counted[0] += answer
            self.counted[1] += answer

    # What lies where

    def look(self) -> None:
        """Reads all of Redis, and checks what must hold at any time."""
        self._read()
        self._check()

    def _read(self) -> None:
        processed, failed, lists = self.redis.eval(DUMP, 0)
        assert [int(processed), int(failed)] == self.counted
        self.places = {key.decode(): jobs for key, jobs in lists}

    def _check(self) -> None:
        present = self.present()
        for jobs in self.places.values():
            for job in jobs:
                assert job in self.written[jid(job)], f"{job!r} was never written so"
        for name, times in self.pushed.items():
            assert present[name] == times - self.removed[name]
            assert present[name] or self.ended[name], f"{name} is lost: it has not run to its end"

    def present(self) -> Counter[str]:
        """How many copies of each job lie in all places together."""
        return Counter(jid(job) for jobs in self.places.values() for job in jobs)

    def flights(self) -> list[str]:
        return [key for key in self.places if key.startswith("fastkiq:flight:")]
