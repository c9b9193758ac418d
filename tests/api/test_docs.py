"""The examples of docs/api.md run, in their order, on a Redis that holds something of everything."""

import re
import time
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from api.kit import failed, fill, payload
from api.test_process import add
from fastkiq import api, config

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_run(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = config.Config(redis_url=redis_url)
    monkeypatch.setattr(config, "default", lambda: own)
    fill(redis, "retry", {failed(number, queue="mail", error_class="Timeout"): number for number in range(30)})
    fill(redis, "retry", {failed(number, queue="mail"): number for number in range(30, 100)})
    fill(redis, "retry", {failed(200, jid="4e1f0c1f8a4a5b1e2d3c4b5a", queue="low"): 500})
    fill(redis, "dead", {failed(number): time.time() for number in range(100)})
    redis.sadd("queues", "mail")
    redis.lpush("queue:mail", payload(1))
    add(redis, "vm:1:ab", {"tag": "old", "version": "8.1.7"})
    names: dict[str, object] = {}
    blocks = BLOCK.findall(DOCS.read_text(encoding="utf-8"))
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), names)
    shown = capsys.readouterr().out
    assert "ValueError: boom #" in shown
    assert "110 of 110" in shown
    assert redis.lrange("vm:1:ab-signals", 0, -1) == [b"TSTP"]
    assert redis.zcard("retry") == 1
    assert isinstance(fastkiq.Job.from_bytes(redis.lindex("queue:mail", 0)), fastkiq.Job)
    assert set(api.__all__) >= {"Stats", "Queue", "RetrySet"}
