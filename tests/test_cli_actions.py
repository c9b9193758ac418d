"""What the command line does to entries of the sets: to which, after which question, and what it says of it."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest
import redis as redis_py

from servers import Server
from stored import failed, jid, job, put
from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Terminal]


def left(redis: redis_py.Redis, key: str) -> list[str]:
    return sorted(json.loads(raw)["jid"] for raw in redis.zrange(key, 0, -1))


def test_retry_by_jid_and_by_id(ask: Ask, redis: redis_py.Redis) -> None:
    first = put(redis, "retry", failed(1), failed(2), failed(3, retry_count=4))
    answer = ask("retries", "retry", jid(1), f"{first + 1!r}-{jid(2)}")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "2 retries retried\n", "")
    assert left(redis, "retry") == [jid(3)]
    assert {json.loads(raw)["jid"] for raw in redis.lrange("queue:default", 0, -1)} == {jid(1), jid(2)}


def test_a_jid_with_a_dash_is_a_jid_all_the_same(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", failed(1, jid="12345678-abcd-4"), failed(2, jid="e-x"))
    assert ask("dead", "delete", "12345678-abcd-4").returncode == 0
    assert ask("dead", "delete", "e-x").returncode == 0
    assert redis.zcard("dead") == 0


def test_what_is_not_there_is_named(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", failed(1))
    answer = ask("dead", "retry", jid(1), "no\x1bthing")
    assert answer.returncode == 1
    assert answer.stdout == "1 dead job retried\n"
    assert answer.stderr == "fastkiq: nothing here goes by 'no\\x1bthing'\n"
    document = json.loads(ask("dead", "retry", "nothing", "--json").stdout)
    assert (document["done"], document["missing"], document["complete"]) == (0, ["nothing"], True)


def test_by_filter_and_all(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "schedule", *(job(number, **{"class": f"app.{'AB'[number % 2]}"}) for number in range(6)))
    assert ask("scheduled", "enqueue", "--class", "app.A").stdout == "3 scheduled jobs enqueued\n"
    assert redis.llen("queue:default") == 3
    assert ask("scheduled", "kill", "--all", "--yes").stdout == "3 scheduled jobs killed\n"
    assert (redis.zcard("schedule"), redis.zcard("dead")) == (0, 3)
    assert ask("dead", "delete", "--class", "app.B", "-y").stdout == "3 dead jobs deleted\n"
    assert ask("dead", "delete", "--all", "-y").stdout == "0 dead jobs deleted\n"


def test_what_cannot_be_enqueued_is_refused_and_stays(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", b'{"jid": "x", "args": 5}', failed(1))
    answer = ask("dead", "retry", "--all")
    assert answer.returncode == 1
    assert answer.stdout == "1 dead job retried\n"
    assert "1 refused, and left where they are" in answer.stderr
    assert redis.zcard("dead") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dead", "delete"], "which ones?"),
        (["dead", "delete", "x", "--all"], "exclude each other"),
        (["dead", "delete", "--class", "x", "--all"], "exclude each other"),
        (["dead", "delete", "--class", ""], "it would mean everything"),
        (["dead", "--class", "", "delete"], "it would mean everything"),
        (["dead", "-n", "3", "delete", "--all"], "--limit is for the listing"),
        (["dead", "--groups", "delete", "--all"], "--groups is for the listing"),
        (["dead", "--class", "x", "delete", "--class", "y"], "--class is given twice"),
        (["dead", "kill", "x"], "no such action: kill"),
        (["retries", "retry", "x", "--yes"], "--yes"),
        (["dead", "delete", "--all"], "delete 2 dead jobs? Nobody can be asked here: --yes"),
        (["dead", "delete", jid(1), jid(2)], "delete 2 dead jobs?"),
        (["dead", "--error", "boom", "delete"], "delete 2 dead jobs?"),
    ],
)
def test_refused_before_anything_is_done(ask: Ask, redis: redis_py.Redis, arguments: list[str], says: str) -> None:
    put(redis, "dead", failed(1), failed(2))
    answer = ask(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert says.replace("it would", "") in answer.stderr.replace("it is empty, which would", "")
    assert redis.zcard("dead") == 2


def test_options_before_the_action_count(ask: Ask, redis: redis_py.Redis, redis_url: str) -> None:
    put(redis, "retry", failed(1), failed(2, "OSError: x"))
    answer = ask("retries", "--error", "OSError", "--json", "retry")
    assert json.loads(answer.stdout)["done"] == 1
    assert left(redis, "retry") == [jid(1)]
    elsewhere = ask("retries", "--redis", "redis://127.0.0.1:1", "retry", "--all")
    assert elsewhere.returncode == 1
    assert left(redis, "retry") == [jid(1)], "the Redis of the option is meant"


def test_one_job_is_destroyed_without_a_question(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", failed(1), failed(2), failed(3, "OSError: x"))
    assert ask("retries", "kill", jid(1)).stdout == "1 retry killed\n"
    assert ask("retries", "delete", "--error", "OSError").stdout == "1 retry deleted\n"
    assert (left(redis, "retry"), left(redis, "dead")) == ([jid(2)], [jid(1)])


@pytest.mark.parametrize(("typed", "code", "stays"), [("y\r", 0, 0), ("n\r", 1, 3), ("\r", 1, 3), ("\x03", 130, 3)])
def test_a_terminal_is_asked(terminal: Start, redis: redis_py.Redis, typed: str, code: int, stays: int) -> None:
    put(redis, "dead", *(failed(number) for number in range(3)))
    asked = terminal("dead", "delete", "--class", "app.Mail")
    asked.wait_for("delete 3 dead jobs? [y/N]: ")
    asked.wait_until_it_reads()
    assert redis.zcard("dead") == 3
    asked.type(typed)
    assert asked.wait() == code
    assert ("3 dead jobs deleted" if code == 0 else "") in asked.text
    assert ("nothing was done" in asked.text) == (code == 1)
    assert redis.zcard("dead") == stays


def test_the_question_has_the_number_as_people_write_it(terminal: Start, redis: redis_py.Redis) -> None:
    put(redis, "retry", *(failed(number) for number in range(1_234)))
    asked = terminal("retries", "kill", "--all")
    asked.wait_for("kill 1,234 retries? [y/N]")
    asked.type("yes\r")
    assert asked.wait() == 0
    assert "1,234 retries killed" in asked.text
    assert redis.zcard("dead") == 1_234


def test_ctrl_c_between_batches_leaves_an_account(terminal: Start, redis: redis_py.Redis) -> None:
    many = 60_000
    with redis.pipeline(transaction=False) as pipeline:
        for number in range(many):
            pipeline.zadd("retry", {failed(number): number})
        pipeline.execute()
    sweep = terminal("retries", "retry", "--all")
    sweep.wait_for("looked at")
    sweep.type("\x03")
    assert sweep.wait() == 130
    account = re.search(r"([\d,]+) retries retried\r\nfastkiq: interrupted", sweep.text)
    assert account is not None, sweep.text
    done = int(account[1].replace(",", ""))
    assert 0 < done < many
    assert (redis.zcard("retry"), redis.llen("queue:default")) == (many - done, done)


def test_a_queue_of_another_type_is_left_alone(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", *(failed(number) for number in range(10)))
    redis.set("queue:default", "no list")
    answer = ask("retries", "retry", "--all")
    assert answer.returncode == 1
    assert answer.stdout == "0 retries retried\n"
    assert "queue:default" in answer.stderr
    assert redis.zcard("retry") == 10


def test_an_outage_on_the_way_leaves_an_account(terminal: Start, start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(60_000):
            pipeline.zadd("retry", {failed(number): number})
        pipeline.execute()
    sweep = terminal("retries", "retry", "--all", "--redis", server.url)
    sweep.wait_for("looked at")
    server.stop()
    assert sweep.wait() == 1
    assert re.search(
        r"fastkiq: at least [\d,]+ retries retried before this:\r\nfastkiq: .*is Redis running", sweep.text
    )
