"""`fastkiq jobs`: one job, in each place where it can be."""

import json
import subprocess
import time
from collections.abc import Callable

import redis as redis_py

from children import Child
from servers import wait_until
from stored import failed, jid, job, put

Ask = Callable[..., subprocess.CompletedProcess[str]]

APP = """
import fastkiq

class Fails(fastkiq.Worker, backtrace=True, tags=("billing",)):
    def perform(self, name: str) -> None:
        self.deeper(name)

    def deeper(self, name: str) -> None:
        raise LookupError(f"nobody is called {name}\\nsecond line")
"""


def test_a_job_that_failed(ask: Ask, redis: redis_py.Redis, worker_process: Callable[..., Child]) -> None:
    worker_process(APP)
    name = ask("push", "app.Fails", '"bob"', "-m", "app.py").stdout.strip()
    wait_until(lambda: redis.zcard("retry") == 1, 15, "its failure")
    answer = ask("jobs", name)
    assert answer.returncode == 0
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert lines[0] == ["app.Fails", name]
    assert ["state", "waits", "to", "run", "again"] in lines
    assert ["arguments", '["bob"]'] in lines
    assert ["tags", "billing"] in lines
    assert ["attempt", "2", "comes", "next"] in lines
    assert ["error", "LookupError:", "nobody", "is", "called", "bob"] in lines
    assert ["second", "line"] in lines
    timeline = answer.stdout.partition("timeline\n")[2].partition("  error")[0].splitlines()
    assert [line.split("  ")[3].strip() for line in timeline] == ["created", "last enqueued", "failed", "next try"]
    backtrace = answer.stdout.partition("backtrace\n")[2].splitlines()
    assert backtrace[0].endswith("in Fails.deeper")
    assert backtrace[1].endswith("in Fails.perform")
    document = json.loads(ask("jobs", name, "--json").stdout)
    (found,) = document["found"]
    assert (document["jid"], found["place"], found["error_class"]) == (name, "retry", "LookupError")
    assert found["id"].endswith(name)


def test_each_place(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", failed(1, retry_count=4))
    put(redis, "schedule", job(1, custom={"a": 1}))
    redis.sadd("queues", "mail")
    redis.lpush("queue:mail", job(1), job(2))
    redis.sadd("processes", "web:5:aa")
    info = {"hostname": "web", "pid": 5, "queues": ["default"]}
    redis.hset("web:5:aa", mapping={"info": json.dumps(info), "busy": 1, "beat": time.time()})
    entry = {"queue": "default", "run_at": int(time.time()) - 60, "payload": job(1).decode()}
    redis.hset("web:5:aa:work", "t9", json.dumps(entry))
    document = json.loads(ask("jobs", jid(1), "--json").stdout)
    assert [each["place"] for each in document["found"]] == ["running", "schedule", "dead", "queue"]
    assert document["found"][0]["thread"] == "t9"
    assert document["found"][3]["queue"] == "mail"
    text = ask("jobs", jid(1)).stdout
    for expected in (
        "runs",
        "web:5 t9, for ",
        "began to run",
        "waits for its time",
        '    custom: {"a": 1}',
        "is dead",
        "5 failed",
        "waits in a queue",
    ):
        assert expected in text
    assert text.count(jid(1)) >= 4


def test_a_job_that_is_nowhere(ask: Ask, redis: redis_py.Redis) -> None:
    answer = ask("jobs", jid(1))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == f"fastkiq: no job {jid(1)} in any queue or set: it has ended, or never was\n"
    answer = ask("jobs", jid(1), "--json")
    assert (answer.returncode, json.loads(answer.stdout)) == (1, {"jid": jid(1), "found": []})


def test_a_large_one_is_cut_for_people_and_whole_for_programs(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", failed(1, args=["x" * 100_000], error_backtrace=[f"a.py:{n}:in f" for n in range(500)]))
    answer = ask("jobs", jid(1))
    assert len(answer.stdout) < 40_000
    assert "--json has all" in answer.stdout
    assert "and 300 lines more" in answer.stdout
    (found,) = json.loads(ask("jobs", jid(1), "--json").stdout)["found"]
    assert found["args"] == ["x" * 100_000]
    assert len(found["backtrace"]) == 500


def test_a_backtrace_that_cannot_be_read(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", failed(1, error_backtrace="no base64"))
    assert "backtrace  it is not base64 of zlib" in ask("jobs", jid(1)).stdout
