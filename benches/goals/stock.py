"""Jobs that lie ready in database 1, so that a queue is filled in a moment and the same way for each contender."""

from typing import Any

import redis
from lab import floor

from goals.bench import Bench

_SCHEDULE = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local job = string.format('{"retry":true,"queue":"default","args":["string",%d,{"mike":"bob"}],'
    .. '"class":"jobs.NoOp","jid":"%024x","created_at":1700000000000}', i, i)
  redis.call('ZADD', KEYS[1], tonumber(ARGV[3]) + i, job)
end
"""
DAYS = 7 * 86_400


class Stock:
    """Makes each kind once, at the first time it is asked for."""

    def __init__(self, bench: Bench) -> None:
        self._server = bench.server
        self._client = bench.server.client
        self._other = redis.Redis(host="127.0.0.1", port=bench.server.port, db=1)

    def queue(self, jobs: int, key: str) -> None:
        """A list of no-op jobs under `key` in database 0."""
        name = f"stock:{jobs}"
        if not self._other.exists(name):
            floor.push_prepared(self._server, name, jobs)
            self._client.move(name, 1)
        self._other.copy(name, key, destination_db="0")

    def queues(self, jobs: int, many: int, prefix: str) -> None:
        """Lists `<prefix>q0` and so on, with `jobs` no-op jobs each whose payloads name that queue."""
        if not self._other.exists(f"stock:q{many - 1}"):
            self.queue(jobs, "stock:model")
            model: Any = self._client.lrange("stock:model", 0, -1)
            self._client.delete("stock:model")
            for number in range(many):
                own = [each.replace(b'"queue":"default"', b'"queue":"q%d"' % number) for each in model]
                for start in range(0, len(own), 1_000):
                    self._other.rpush(f"stock:q{number}", *own[start : start + 1_000])
        for number in range(many):
            self._other.copy(f"stock:q{number}", f"{prefix}q{number}", destination_db="0")

    def schedule(self, jobs: int) -> None:
        """The set `schedule` of database 0, with so many jobs that fall due after a week or later, a second apart."""
        name = f"stock:schedule:{jobs}"
        if not self._other.exists(name):
            due = self._client.time()[0] + DAYS
            for start in range(0, jobs, 20_000):
                self._other.eval(_SCHEDULE, 1, name, start, min(start + 20_000, jobs) - 1, due)
        self._other.copy(name, "schedule", destination_db="0")

    def drop(self) -> None:
        """Gives the memory back."""
        self._other.flushdb()
        self._other.close()
