"""`fastkiq queues`, a queue's jobs, and `queue pause`, `resume` and `clear`."""

import json
import subprocess
from collections.abc import Callable

import redis as redis_py

from children import Child
from servers import wait_until
from stored import jid, job
from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]


def fill(redis: redis_py.Redis, name: str, *jobs: bytes) -> None:
    redis.sadd("queues", name)
    redis.lpush(f"queue:{name}", *jobs)


def test_the_jobs_of_a_queue(ask: Ask, redis: redis_py.Redis) -> None:
    fill(redis, "mail", *(job(number, tags=["odd"] if number % 2 else []) for number in range(5)))
    document = json.loads(ask("queues", "mail", "--json").stdout)
    assert [row["jid"] for row in document["jobs"]] == [jid(number) for number in (4, 3, 2, 1, 0)]
    assert (document["total"], document["next"]) == (5, None)
    assert document["jobs"][0]["queue"] == "mail"
    assert document["jobs"][0]["payload"]["queue"] == "default"
    following = json.loads(ask("queues", "mail", "--order", "next", "--tag", "odd", "--json").stdout)
    assert [row["jid"] for row in following["jobs"]] == [jid(1), jid(3)]
    table = ask("queues", "mail", "-n", "2").stdout.splitlines()
    assert table[0].split() == ["Enqueued", "Class", "Jid", "Tags", "Arguments"]
    assert table[1].split()[1:4] == ["min", "ago", "app.Mail"]


def test_pages_of_a_queue(ask: Ask, redis: redis_py.Redis) -> None:
    fill(redis, "mail", *(job(number) for number in range(3)))
    answer = ask("queues", "mail", "-n", "2")
    assert answer.stderr.startswith("fastkiq: 2 of 3 shown; --cursor ")
    cursor = answer.stderr.split()[-3]
    rest = json.loads(ask("queues", "mail", "--cursor", cursor, "--json").stdout)
    assert [row["jid"] for row in rest["jobs"]] == [jid(0)]
    assert ask("queues", "mail", "--order", "next", "--cursor", cursor).returncode == 2


def test_an_absent_queue_may_be_a_typo(ask: Ask, redis: redis_py.Redis) -> None:
    fill(redis, "mail", job(1))
    assert ask("queues", "mial").stderr == "no jobs in mial; did you mean 'mail'?\n"
    redis.delete("queue:mail")
    assert ask("queues", "mail").stderr == "no jobs in mail\n"


def test_more_queues_than_are_shown(ask: Ask, redis: redis_py.Redis) -> None:
    redis.sadd("queues", "a", "b", "c")
    answer = ask("queues", "-n", "2")
    assert answer.stdout.count("\n") == 3
    assert answer.stderr.endswith("; -n shows more\n")


def test_pause_and_resume(ask: Ask, redis: redis_py.Redis) -> None:
    fill(redis, "mail", job(1))
    answer = ask("queue", "pause", "mail", "later")
    assert answer.stdout == "mail is paused\nlater is paused\n"
    assert answer.stderr == "fastkiq: there is no queue later yet\n"
    assert redis.smembers("paused") == {b"mail", b"later"}
    assert "paused" in ask("queues").stdout
    assert ask("queue", "resume", "mail", "mail").stdout == "mail goes on\n"
    assert redis.smembers("paused") == {b"later"}
    assert ask("queue", "resume", "mail").stdout == "mail was not paused\n"
    wrong = ask("queue", "pause", "mail", "a b")
    assert wrong.returncode == 2
    assert "'a b' cannot be a queue" in wrong.stderr
    assert not redis.sismember("paused", "mail"), "all names are looked at before anything is done"


def test_a_paused_queue_rests(ask: Ask, redis: redis_py.Redis, worker_process: Callable[..., Child]) -> None:
    assert ask("queue", "pause", "default").returncode == 0
    child = worker_process(
        "import fastkiq\nclass Done(fastkiq.Worker):\n    def perform(self): print('DONE', flush=True)\n"
    )
    child.wait_for("ready")
    assert ask("push", "app.Done").returncode == 0
    assert redis.llen("queue:default") == 1
    assert ask("queue", "resume", "default").stdout == "default goes on\n"
    child.wait_for("DONE")
    assert redis.llen("queue:default") == 0


def test_clear(ask: Ask, redis: redis_py.Redis) -> None:
    fill(redis, "mail", *(job(number) for number in range(3)))
    fill(redis, "one", job(9))
    refused = ask("queue", "clear", "mail", "one")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "delete 4 jobs of mail, one? Nobody can be asked here: --yes" in refused.stderr
    assert redis.llen("queue:mail") == 3
    assert ask("queue", "clear", "one").stdout == "one: 1 job deleted\n", "one job needs no question"
    assert json.loads(ask("queue", "clear", "mail", "--yes", "--json").stdout) == {"mail": 3}
    assert redis.keys("*") == []
    assert ask("queue", "clear", "mail").returncode == 0


def test_clear_asks_on_a_terminal(terminal: Callable[..., Terminal], redis: redis_py.Redis) -> None:
    fill(redis, "mail", *(job(number) for number in range(2)))
    asked = terminal("queue", "clear", "mail")
    asked.wait_for("delete 2 jobs of mail? [y/N]")
    asked.type("n\r")
    assert asked.wait() == 1
    assert redis.llen("queue:mail") == 2
    asked = terminal("queue", "clear", "mail")
    asked.wait_for("[y/N]")
    asked.type("y\r")
    assert asked.wait() == 0
    assert "mail: 2 jobs deleted" in asked.text
    wait_until(lambda: not redis.exists("queue:mail"), 5, "the queue to go")


def test_keys_of_another_type(ask: Ask, redis: redis_py.Redis) -> None:
    redis.set("queue:mail", "x")
    redis.sadd("queues", "mail")
    answer = ask("queues", "mail")
    assert answer.returncode == 0
    assert "queue:mail is no list" in answer.stderr
    assert ask("queue", "clear", "mail", "--yes").returncode == 1
    redis.set("paused", "x")
    assert ask("queue", "pause", "mail").returncode == 1
    assert redis.get("queue:mail") == redis.get("paused") == b"x"
