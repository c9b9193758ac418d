"""How far jobs are, of many at once."""

import json

import redis as redis_py

from fastkiq import api
from fastkiq.results import Progress


def test_of_those_that_tell(inspected: api.Redis, redis: redis_py.Redis) -> None:
    for jid, said in {
        "a" * 24: [1, 4, "a quarter"],
        "b" * 24: [3, None, None],
        "c" * 24: "half",
        "d" * 24: None,
    }.items():
        redis.hset(f"fastkiq:result:{jid}", "progress", json.dumps(said))
    redis.set(f"fastkiq:result:{'e' * 24}", "no hash")
    asked = [each * 24 for each in "abcdef"] + ["no id", "a" * 24]
    assert api.progress(asked, inspected) == {"a" * 24: Progress(1, 4, "a quarter"), "b" * 24: Progress(3, None, None)}
    assert api.progress([], inspected) == {}
