"""Older Sidekiqs' entries after fastkiq has had them, in the hands of Sidekiq 8.1.7, and with `compat` of 7.3.2.

7.3.2 is asked where `record_old.py` has set it up, which CI does not.
"""

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from children import Child
from old_payloads import RECORDED, put, worked_off
from sidekiq.judge import Ruby
from sidekiq.record_old import old_folder

Start = Callable[..., Child]
PATHS = {"retry": "/retries", "dead": "/morgue", "schedule": "/scheduled"}


def look(ruby: Ruby) -> None:
    """Every page answers, and each entry has one of its own."""
    pages = ["/", "/queues", "/queues/default", *PATHS.values()]
    answers = ruby("web", requests=[["GET", page] for page in pages])
    bodies = "".join(body for _, body in answers)
    links = sorted(
        {html.unescape(link) for link in re.findall(r'href="(/(?:retries|morgue|scheduled)/\d[^"]+)"', bodies)}
    )
    assert len(links) >= 6
    answers += ruby("web", requests=[["GET", link] for link in links])
    assert [status for status, _ in answers] == [200] * len(answers)


@pytest.mark.parametrize("version", RECORDED)
def test_sidekiq_8_goes_on_with_them(ruby: Ruby, redis: redis_py.Redis, worker_process: Start, version: str) -> None:
    put(redis, version)
    child = worked_off(redis, worker_process, None)
    assert child.stop() == 0
    look(ruby)
    shown = ruby("sets")
    now = time.time()
    assert [len(shown[key]) for key in ("retry", "dead", "schedule")] == [5, 1, 0]
    recorded = json.loads(RECORDED[version].read_text())["keys"]["dead"][0][0]
    recorded_at = json.loads(recorded)["created_at"]
    for entry in shown["retry"]:
        assert entry["message"] == "from Python"
        assert abs(entry["created_at"] - recorded_at) < 60
        assert min(abs(entry["failed_at"] - recorded_at), abs(entry["failed_at"] - now)) < 60
    retried, killed, moved = (entry["jid"] for entry in shown["retry"][:3])
    actions = ((retried, "retry"), (killed, "kill"), (moved, "add_to_queue"))
    ruby("act", acts=[{"set": "retry", "jid": jid, "action": action} for jid, action in actions])
    assert (redis.zcard("retry"), redis.zcard("dead"), redis.llen("queue:default")) == (2, 2, 2)


@pytest.fixture
def ruby_7(judge: None, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ruby]:
    folder = old_folder("7.3.2")
    if not (folder / "usr/bin/ruby").exists():
        pytest.skip("needs Sidekiq 7.3.2, which tests/sidekiq/record_old.py sets up")
    monkeypatch.setattr("sidekiq.judge.COMMAND", ["chroot", str(folder), "ruby"])
    running = Ruby(redis_url, tmp_path)
    yield running
    running.close()


def test_sidekiq_7_reads_what_compat_writes(
    ruby_7: Ruby, redis: redis_py.Redis, redis_url: str, worker_process: Start
) -> None:
    put(redis, "7.3.2")
    child = worked_off(redis, worker_process, "sidekiq7")
    assert child.stop() == 0
    client = fastkiq.Client(config=fastkiq.Config(redis_url=redis_url, compat="sidekiq7"))
    client.push("OldBoom", 10)
    client.push("OldBoom", 11, in_=600)
    time.sleep(0.05)
    look(ruby_7)
    shown, stats = ruby_7("sets"), ruby_7("stats")
    now = time.time()
    assert 0.05 <= stats["latency"] < 60
    for entry in shown["retry"]:
        assert now - 86_400 * 3650 < entry["created_at"] < now + 60
        assert now - 86_400 * 3650 < entry["failed_at"] < now + 60
    assert any(abs(entry["failed_at"] - now) < 60 for entry in shown["retry"])
    assert abs(shown["schedule"][0]["created_at"] - now) < 60
