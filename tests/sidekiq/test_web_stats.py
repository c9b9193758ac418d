"""`/stats` beside that of the real Sidekiq."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from fastkiq.web import app
from sidekiq.judge import Ruby
from web_server import ask, serve_asgi


@pytest.fixture
def base(redis_url: str) -> Iterator[str]:
    with serve_asgi(app(redis_url=redis_url)) as url:
        yield url


@pytest.mark.both_servers
def test_stats_are_sidekiqs(ruby: Ruby, redis: redis_py.Redis, base: str) -> None:
    now = time.time()
    with redis.pipeline() as pipeline:
        pipeline.mset({"stat:processed": 12, "stat:failed": 3})
        for queue, count in (("default", 2), ("mail", 5), ("low", 1)):
            pipeline.sadd("queues", queue)
            pipeline.lpush(f"queue:{queue}", *[json.dumps({"enqueued_at": int(now * 1000) - 60_000})] * count)
        pipeline.sadd("queues", "empty")
        for key, count in (("retry", 2), ("schedule", 3), ("dead", 4)):
            pipeline.zadd(key, {f'{{"jid":"{number}"}}': now + number for number in range(count)})
        pipeline.sadd("processes", "host:1:abc")
        pipeline.hset("host:1:abc", mapping={"info": '{"identity":"host:1:abc"}', "busy": 4, "beat": now})
        pipeline.execute()
    requests = [["GET", "/stats", {}], ["GET", "/stats/queues", {}]]
    (status, stats), (_, queues) = ruby("web", requests=requests)
    assert status == 200
    theirs, ours = json.loads(stats), json.loads(ask(base + "/stats").text)
    assert shape(ours) == shape(theirs)
    latency = [told["sidekiq"].pop("default_latency") for told in (theirs, ours)]
    assert latency[0] == pytest.approx(latency[1], abs=10)
    assert ours["sidekiq"] == theirs["sidekiq"]
    for name in ("redis_version", "uptime_in_days", "store_name", "store_version"):
        assert ours["redis"][name] == theirs["redis"][name]
    for name in ("used_memory_human", "used_memory_peak_human"):
        assert ours["redis"][name][-1] == theirs["redis"][name][-1]
        assert float(ours["redis"][name][:-1]) == pytest.approx(float(theirs["redis"][name][:-1]), rel=0.5)
    ours_of_queues = ask(base + "/stats/queues").text
    assert list(json.loads(ours_of_queues).items()) == list(json.loads(queues).items())


def shape(value: Any) -> Any:
    """Keys in their order, and the types of what they hold."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    return type(value).__name__
