"""What `fastkiq doctor` is shown, and what it finds there."""

import json
from collections.abc import Iterable
from typing import Any

import redis as redis_py

from fastkiq import _core
from fastkiq.client import Client
from fastkiq.doctor import examine
from fastkiq.doctor.finding import Finding

GHOST = "h:1:0123456789ab"
NEIGHBOUR = "h:2:0123456789ab"


def found(url: str) -> dict[str, Finding]:
    """What a whole examination finds, by check; no check is there twice."""
    _, findings = examine(Client(url).core, url)
    by_check = {finding.check: finding for finding in findings}
    assert len(by_check) == len(findings)
    return by_check


def process(
    redis: redis_py.Redis, identity: str, queues: Iterable[str] = ("default",), *, ours: bool = True, **fields: Any
) -> None:
    """A process as its heartbeat shows it; `ours` with the registries of a fastkiq."""
    now = redis.time()[0]
    info = {"queues": list(queues), "version": fields.pop("version", f"fastkiq {_core.__version__}")}
    redis.sadd("processes", identity)
    redis.hset(identity, mapping={"info": json.dumps(info), "beat": now, "quiet": "false", **fields})
    redis.expire(identity, 60)
    if ours:
        redis.zadd("fastkiq:alive", {identity: now})
        redis.hset(f"fastkiq:process:{identity}", mapping={"schema": "1", "lease": "30000000"})
