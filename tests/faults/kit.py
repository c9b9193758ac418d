"""What the fault tests share: a worker that writes its own ledger, and the books that account for each job."""

from collections import Counter
from pathlib import Path

import redis as redis_py

APP = """
import os, time
import fastkiq
from fastkiq.client import default

def note(kind, jid):
    default().core.command("RPUSH", "ledger:" + kind, jid)

class Work(fastkiq.Worker, retry=3):
    def perform(self, seconds: float) -> None:
        note("begun", self.jid)
        if seconds:
            time.sleep(seconds)
        note("done", self.jid)

class AsyncWork(fastkiq.Worker, retry=3):
    async def perform(self, seconds: float) -> None:
        import asyncio
        note("begun", self.jid)
        await asyncio.sleep(seconds)
        note("done", self.jid)

class Failing(fastkiq.Worker, retry=3):
    @classmethod
    def retry_in(cls, count, error, job):
        return 30
    def perform(self) -> None:
        note("begun", self.jid)
        raise RuntimeError("always")

class Killer(fastkiq.Worker, retry=3):
    def perform(self) -> None:
        note("begun", self.jid)
        os._exit(17)
"""


def short_lease(folder: Path, seconds: float = 2.0) -> tuple[str, str]:
    """Arguments that give a process a lease of so many seconds."""
    file = folder / "lease.toml"
    file.write_text(f"lease = {seconds}\n")
    return ("-C", str(file))


def ledger(redis: redis_py.Redis, kind: str) -> Counter[str]:
    """How often each job has come this far."""
    return Counter(jid.decode() for jid in redis.lrange(f"ledger:{kind}", 0, -1))


def flights(redis: redis_py.Redis) -> list[bytes]:
    """Every key that still holds claimed jobs."""
    return list(redis.scan_iter("fastkiq:flight*"))


def hide_machine(redis: redis_py.Redis) -> None:
    """Makes all processes look as if they ran elsewhere: only a lease can tell that they are dead."""
    for key in redis.scan_iter("fastkiq:machine:*"):
        redis.delete(key)
