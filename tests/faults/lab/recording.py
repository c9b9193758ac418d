"""All that a version leaves in Redis, byte for byte: to be recorded from it, and met by those after it.

    python tests/faults/lab/recording.py SITE tests/faults/recordings/schema-1.json

records from the version in the folder SITE (see `previous.py`): two of its workers have died, one after the other, with
the same jobs in their hands; another job has failed and waits for its retry, one is scheduled, some are in a queue.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis as redis_py

sys.path.insert(0, str(Path(__file__).parents[2]))

from children import Child, clean_environment, fastkiq
from servers import FAMILIES, Server, binary, wait_until

APP = """
import asyncio, time
import fastkiq

class Work(fastkiq.Worker, retry=25):
    def perform(self, number, seconds):
        if number == FAILS:
            raise RuntimeError("it failed: \\u00e9 \\u2028 \\U0001f680")
        time.sleep(600)

class AsyncWork(fastkiq.Worker, retry=25):
    async def perform(self, number, seconds):
        await asyncio.sleep(600)
"""
FAILS, SCHEDULED, WAITING = 10, 11, (12, 13, 14)
HELD = (1, 2, 3, 4)
JOBS = {*HELD, FAILS, SCHEDULED, *WAITING}

READERS = {
    "string": lambda redis, key: redis.get(key),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: sorted(redis.smembers(key)),
    "hash": lambda redis, key: redis.hgetall(key),
    "zset": lambda redis, key: redis.zrange(key, 0, -1, withscores=True, score_cast_func=bytes),
}
WRITERS = {
    "string": lambda redis, key, value: redis.set(key, value),
    "list": lambda redis, key, value: redis.rpush(key, *value),
    "set": lambda redis, key, value: redis.sadd(key, *value),
    "hash": lambda redis, key, value: redis.hset(key, mapping=value),
    "zset": lambda redis, key, value: [redis.execute_command("ZADD", key, score, name) for name, score in value],
}


def _text(value: Any) -> Any:
    """Bytes as text of as many characters, so that JSON can hold them."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {_text(key): _text(each) for key, each in value.items()}
    return [_text(each) for each in value] if isinstance(value, (list, tuple)) else value


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, dict):
        return {_bytes(key): _bytes(each) for key, each in value.items()}
    return [_bytes(each) for each in value] if isinstance(value, list) else value


def dump(redis: redis_py.Redis) -> dict[str, Any]:
    """key -> [type, value]; without the counts of jobs."""
    keys = sorted(key for key in redis.scan_iter() if not key.startswith((b"stat:", b"j|", b"h|")))
    kinds = {key: redis.type(key).decode() for key in keys}
    return {_text(key): [kinds[key], _text(READERS[kinds[key]](redis, key))] for key in keys}


def load(redis: redis_py.Redis, recorded: dict[str, Any]) -> None:
    for key, (kind, value) in recorded.items():
        WRITERS[kind](redis, _bytes(key), _bytes(value))


def record(site: str, file: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(APP.replace("FAILS", str(FAILS)))
        (folder / "lease.toml").write_text("lease = 2.0\n")
        server = Server(next(family for family in FAMILIES if binary(family)), folder / "redis").start()
        environment = clean_environment({"FASTKIQ_REDIS_URL": server.url, "PYTHONPATH": site})
        command = fastkiq("process", "app.py", "-c", "2", "--queue", "default", "-C", "lease.toml")
        try:
            with server.client() as redis:
                for _ in range(2):
                    worker = Child([*command], folder, environment)
                    worker.wait_for("ready")
                    if not redis.exists("fastkiq:tombs"):
                        _push(folder, environment)
                    wait_until(lambda: _busy(redis) == len(HELD), 20, "all that one worker can hold")
                    time.sleep(1)  # what has not begun has gone back
                    worker.kill()
                    worker.close()
                file.write_text(json.dumps(dump(redis), indent=1) + "\n")
        finally:
            server.stop()


def _busy(redis: redis_py.Redis) -> int:
    return sum(int(redis.hget(name, "busy") or 0) for name in redis.smembers("processes"))


def _push(folder: Path, environment: dict[str, str]) -> None:
    source = f"""
import fastkiq
client = fastkiq.Client()
client.push("app.Work", {FAILS}, 0.01)
for number in (1, 2):
    client.push("app.Work", number, 0.01)
for number in (3, 4):
    client.push("app.AsyncWork", number, 0.01)
client.push("app.Work", {SCHEDULED}, 0.01, in_=86400)
import time
time.sleep(1)
client.push_bulk("app.Work", [(number, 0.01) for number in {WAITING}])
"""
    child = Child([sys.executable, "-c", source], folder, environment)
    assert child.wait() == 0, child.output()
    child.close()


if __name__ == "__main__":
    record(sys.argv[1], Path(sys.argv[2]))
