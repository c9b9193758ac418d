"""Records what the real Sidekiq leaves in Redis after each operation: `make golden`."""

import json
import sys
import tempfile
from pathlib import Path

import redis as redis_py

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden import FILE, Snapshot, snapshot
from servers import Server, wait_until
from sidekiq.judge import Ruby

OPERATIONS = [
    *("push", "push_in", "push_at", "bulk", "set", "first_failure", "second_failure", "death", "no_retry", "discarded"),
    *("not_kept", "moved", "moved_retry", "retried", "killed", "rescheduled", "signal", "mark"),
]


def record(ruby: Ruby, redis: redis_py.Redis) -> dict[str, Snapshot]:
    """By operation; those of a process last, which take twenty seconds."""
    found = {}
    for operation in OPERATIONS:
        redis.flushdb()
        ruby("golden", operation=operation)
        found[operation] = snapshot(redis, operation)
    redis.flushdb()
    child = ruby.serve("-c", "2", "-q", "default,2", "-q", "low,1", "-g", "mine", "-t", "1", poll=60)
    ruby("push", item={"class": "Slow", "args": [1], "queue": "low"})
    ruby("push", item={"class": "Noop", "args": [], "queue": "default"})
    wait_until(lambda: list(redis.scan_iter("*:work")) and redis.get("stat:processed") == b"1", 30, "two beats")
    # In one pipeline, of which these come last.
    wait_until(lambda: list(redis.scan_iter("h|*")) and len(redis.keys("j|*")) >= 2, 5, "the metrics")
    found["process"] = snapshot(redis, "process")
    child.stop()
    found["stopped"] = snapshot(redis, "stopped")
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server("redis", Path(folder, "server")).start()
        ruby = Ruby(server.url, Path(folder))
        try:
            with server.client() as redis:
                operations = record(ruby, redis)
        finally:
            ruby.close()
            server.stop()
    answer = {"sidekiq": "8.1.7", "operations": operations}
    FILE.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
