"""What Sidekiq 6.4.1 and 7.3.2 wrote (`tests/sidekiq/old`), put into a Redis and worked off by fastkiq."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis as redis_py

from children import Child
from servers import wait_until

RECORDED = {path.stem: path for path in sorted((Path(__file__).parent / "sidekiq" / "old").glob("*.json"))}
APP = """
    import fastkiq

    fastkiq.configure(compat={compat!r})

    class OldBoom(fastkiq.Worker, name="OldBoom"):
        @classmethod
        def retry_in(cls, count, error, job):
            return 300

        def perform(self, *args):
            raise ValueError("from Python")

    class OldLast(fastkiq.Worker, name="OldLast"):
        def perform(self, *args):
            raise ValueError("from Python")
"""
TIMES = ("created_at", "enqueued_at", "failed_at", "retried_at")


def put(redis: redis_py.Redis, version: str) -> dict[str, dict[str, Any]]:
    """Stores the recording, with a field in each payload that nobody knows; the payloads by jid."""
    by_jid = {}
    for key, items in json.loads(RECORDED[version].read_text(encoding="utf-8"))["keys"].items():
        for item in items:
            text, score = item if isinstance(item, list) else (item, None)
            text = '{"unheard":[1.50,"\\u00e9"],' + text[1:]
            payload = json.loads(text)
            by_jid[payload["jid"]] = {"key": key, **payload}
            if score is None:
                redis.lpush(key, text)
            else:
                redis.zadd(key, {text: float(score)})
    return by_jid


def worked_off(redis: redis_py.Redis, start: Callable[..., Child], compat: str | None) -> Child:
    """All of it has fallen due, failed and been stored again; one dead job was pushed again from a UI."""
    for key in ("schedule", "retry"):
        redis.zadd(key, dict.fromkeys(redis.zrange(key, 0, -1), 1))
    child = start(APP.format(compat=compat))
    # Three retries, one of the schedule, one of the queue; the other in the queue is not kept.
    wait_until(lambda: redis.zcount("retry", 2, "+inf") == 5, 20, "five failures")
    wait_until(lambda: redis.llen("queue:default") == 0 and not list(redis.scan_iter("fastkiq:flight:*")), 10, "all")
    return child
