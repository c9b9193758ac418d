"""The floors: what Redis and one Python thread can do when nothing is kept safe."""

import json
from pathlib import Path

from lab.process import run
from lab.server import PrivateServer
from lab.venv import environment

REQUIREMENTS = ("hiredis==3.4.0", "orjson==3.11.4")
_CHILD = Path(__file__).with_name("floor_child.py")


def python() -> Path:
    """The interpreter of the floors, with what they need; may take a while when it is asked for the first time."""
    return environment("floor", REQUIREMENTS)


def drain(server: PrivateServer, key: str, jobs: int) -> float:
    """Jobs per second of one thread that takes 100 at a time out of the list `key`, which holds at least `jobs`."""
    return _rate("drain", server, key, jobs)


def brpop(server: PrivateServer, key: str, jobs: int) -> float:
    """Jobs per second of one thread that takes them one by one with BRPOP."""
    return _rate("brpop", server, key, jobs)


def push_prepared(server: PrivateServer, key: str, jobs: int) -> float:
    """Jobs per second when 1,000 payloads, encoded beforehand, go with each LPUSH."""
    return _rate("push", server, key, jobs)


def redis_benchmark(server: PrivateServer, key: str, jobs: int) -> float:
    """LPUSH of one job's payload a second, by redis-benchmark over one connection without pipelining."""
    payload = "x" * 180
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-c", "1", "-n", str(jobs), "--csv"]
    answer = run([*command, "LPUSH", key, payload]).strip().splitlines()[-1]
    return float(answer.replace('"', "").split(",")[-7])


def _rate(what: str, server: PrivateServer, key: str, jobs: int) -> float:
    answer = json.loads(run([python(), _CHILD, what, str(server.port), key, str(jobs)], seconds=300))
    return float(answer["jobs"] / answer["seconds"])
