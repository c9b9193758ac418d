"""What Ruby's API and the Web UI's buttons do to one entry of fastkiq's, when another one differs in a single byte."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq._core import splice
from servers import wait_until
from sidekiq.judge import APP, Ruby

Start = Callable[..., Child]

ACTIONS = {
    "API": {
        "schedule": ["add_to_queue", "delete", "kill", "reschedule"],
        "retry": ["retry", "add_to_queue", "delete", "kill", "reschedule"],
        "dead": ["retry", "add_to_queue", "delete", "reschedule"],
    },
    "Web UI": {
        "schedule": ["add_to_queue", "delete"],
        "retry": ["retry", "delete", "kill"],
        "dead": ["retry", "delete"],
    },
}
PATHS = {"schedule": "scheduled", "retry": "retries", "dead": "morgue"}
LATER = 4_000_000_000.0


class Twins:
    """`chosen`, and `by_jid` with the same score, whose jid differs in its last byte, and `by_args`, a second later,
    with the same jid, whose arguments differ in one byte. Of one score and one jid there must not be two: Sidekiq acts
    upon the first and throws the others away, whoever wrote them."""

    def __init__(self, key: str, member: bytes, score: float, number: int) -> None:
        jid = f"{number:023x}"
        base = splice(member, {"jid": jid + "0", "args": ["a", {"é\u2028": [1e20, -0.0]}]})
        self.key = key
        self.score = score
        self.rivals = {"by_jid": score, "by_args": score + 1}
        self.jid = jid + "0"
        self.chosen = base
        self.by_jid = base.replace(f"{jid}0".encode(), f"{jid}1".encode())
        self.by_args = base.replace(b'["a",', b'["b",')
        assert len({self.chosen, self.by_jid, self.by_args}) == 3
        assert len(self.chosen) == len(self.by_jid) == len(self.by_args)


@pytest.fixture
def entries(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> dict[str, tuple[bytes, float]]:
    """One entry a set, as fastkiq has written it; with nothing in Redis."""
    client = fastkiq.Client(redis_url)
    client.push("Boom", 1, retry=3, backtrace=20)
    client.push("LastBoom", 1, retry=0, backtrace=True, tags=["a", "ü"])
    client.push("Echo", 1, at=LATER)
    child = worker_process(APP)
    wait_until(lambda: redis.zcard("retry") == redis.zcard("dead") == 1, 15, "the failures to be stored")
    assert child.stop() == 0
    found = {key: redis.zrange(key, 0, -1, withscores=True)[0] for key in PATHS}
    redis.flushall()
    return found


@pytest.mark.parametrize("way", ACTIONS)
@pytest.mark.parametrize("rival", ["by_jid", "by_args"])
def test_one_of_them_is_meant(
    ruby: Ruby, redis: redis_py.Redis, entries: dict[str, tuple[bytes, float]], way: str, rival: str
) -> None:
    cases: list[tuple[str, Twins]] = []
    for key, actions in ACTIONS[way].items():
        for action in actions:
            cases.append((action, Twins(key, *entries[key], len(cases) + 1)))
    for _, twins in cases:
        redis.zadd(twins.key, {twins.chosen: twins.score, getattr(twins, rival): twins.rivals[rival]})
    moment = time.time() + 5_000.5
    if way == "API":
        acts = [
            {"set": twins.key, "score": twins.score, "jid": twins.jid, "action": action}
            | ({"at": moment} if action == "reschedule" else {})
            for action, twins in cases
        ]
        ruby("act", acts=acts)
    else:
        posts = [["POST", f"/{PATHS[twins.key]}/{twins.score!r}-{twins.jid}", {action: "1"}] for action, twins in cases]
        assert {status for status, _ in ruby("web", requests=posts)} == {302}

    left = {key: dict(redis.zrange(key, 0, -1, withscores=True)) for key in PATHS}
    queued = [json.loads(job) for job in redis.lrange("queue:default", 0, -1)]
    for action, twins in cases:
        assert left[twins.key].pop(getattr(twins, rival)) == twins.rivals[rival], (twins.key, action)
        payload = json.loads(twins.chosen)
        if action == "reschedule":
            assert left[twins.key].pop(twins.chosen) == pytest.approx(moment, abs=0.01)
        elif action == "kill":
            (killed,) = [member for member in left["dead"] if json.loads(member) == payload]
            del left["dead"][killed]
        elif action in ("retry", "add_to_queue"):
            fewer = {"retry_count": payload["retry_count"] - 1} if action == "retry" else {}
            (job,) = [job for job in queued if {**job, "enqueued_at": 0} == {**payload, **fewer, "enqueued_at": 0}]
            queued.remove(job)
    assert left == {key: {} for key in PATHS}
    assert queued == []


def test_the_forms_of_the_lists_take_several(
    ruby: Ruby, redis: redis_py.Redis, entries: dict[str, tuple[bytes, float]]
) -> None:
    posts: list[list[Any]] = []
    rest: dict[str, list[Twins]] = {}
    for key, button in (("retry", "kill"), ("schedule", "delete"), ("dead", "delete")):
        rest[key] = [Twins(key, *entries[key], number) for number in range(1, 5)]
        redis.zadd(key, {each: twins.score for twins in rest[key] for each in (twins.chosen, twins.by_jid)})
        ticked = [f"{twins.score!r}-{twins.jid}" for twins in rest[key][:2]]
        posts.append(["POST", f"/{PATHS[key]}", {"key": ticked, button: "1"}])
    assert {status for status, _ in ruby("web", requests=posts)} == {302}
    for key, all_twins in rest.items():
        expected = {twins.by_jid for twins in all_twins} | {twins.chosen for twins in all_twins[2:]}
        left = set(redis.zrange(key, 0, -1))
        if key == "dead":
            left -= {twins.chosen for twins in rest["retry"]}
            assert redis.zcard("dead") == len(expected) + 2
        assert left == expected, key
