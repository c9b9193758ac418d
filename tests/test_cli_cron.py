"""`fastkiq cron` and its commands."""

import json
import re
import subprocess
from collections.abc import Callable

import redis as redis_py

from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]
DECLARED = (
    b'{"name":"nightly","class":"app.Nightly","args":[],"queue":"low","cron":"0 3 * * mon-fri",'
    b'"timezone":"Europe/Berlin","missed":"once","description":"Cleans up",'
    b'"enabled":true,"source":"code","options":{"retry":true}}'
)


def test_one_is_added_listed_shown_run_paused_and_removed(ask: Ask, redis: redis_py.Redis) -> None:
    assert ask("cron").stderr == "no recurring jobs\n"
    added = ask("cron", "add", "poll", "app.Poll", '"eu"', "5", "--every", "1h30m", "-q", "low")
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("poll: Every 1 hour 30 minutes, next 20")
    [row] = json.loads(ask("cron", "--json").stdout)
    assert (row["name"], row["class"], row["args"], row["queue"], row["every"]) == (
        "poll",
        "app.Poll",
        ["eu", 5],
        "low",
        5400,
    )
    table = ask("cron").stdout.splitlines()
    assert table[0].split() == ["Name", "Next", "Last", "Class", "Queue", "Schedule"]
    assert table[1].split()[:4] == ["poll", "in", "90.0", "min"]
    jid = ask("cron", "run", "poll").stdout.strip()
    assert json.loads(redis.lrange("queue:low", 0, -1)[0])["jid"] == jid
    shown = ask("cron", "show", "poll", "-n", "2").stdout
    assert "Every 1 hour 30 minutes" in shown
    assert jid in shown
    assert len(re.findall(r"^  20\d\d-", shown, re.MULTILINE)) == 2, "two ticks to come"
    assert ask("cron", "pause", "poll").stdout == "poll is paused\n"
    assert "paused" in ask("cron").stdout
    assert json.loads(ask("cron", "show", "poll", "--json").stdout)["upcoming"] == []
    assert ask("cron", "resume", "poll").stdout == "poll goes on\n"
    assert ask("cron", "resume", "poll").stdout == "poll was not paused\n"
    assert ask("cron", "remove", "poll").returncode == 2, "there is nobody to be asked"
    assert ask("cron", "remove", "poll", "--yes").stdout == "poll is removed\n"
    assert redis.exists("fastkiq:cron") == 0


def test_mistakes_say_what_to_do(ask: Ask, redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:cron", "nightly", DECLARED)
    for words, code, says in [
        (("show", "nightyl"), 1, "there is no recurring job 'nightyl'; did you mean 'nightly'?"),
        (("shwo", "nightly"), 2, "did you mean 'show'?"),
        (("remove", "nightly", "--yes"), 1, "declared elsewhere"),
        (("add", "nightly", "A", "--every", "5"), 2, "declared elsewhere"),
        (("add", "x", "A"), 2, "exactly one of them"),
        (("add", "x", "A", "--cron", "61 * * * *"), 2, "cron"),
        (("add", "x", "A", "--every", "soon"), 2, "Invalid value for --every: 'soon' is no span of time"),
        (("add", "x", "A", "bob", "--every", "5"), 2, "argument 1 is no JSON"),
    ]:
        answer = ask("cron", *words)
        assert (answer.returncode, says in answer.stderr) == (code, True), answer.stderr
        assert "Traceback" not in answer.stderr


def test_what_redis_holds_does_not_steer_a_terminal(ask: Ask, redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:cron", "\x1b[31mred\r\n", '{"name":"x","class":"A","every":5,"description":"\\u001b[2J"}')
    redis.hset("fastkiq:cron", "binary", b"\xff\x1b")
    answer = ask("cron")
    assert answer.returncode == 0, answer.stderr
    assert "\x1b" not in answer.stdout + answer.stderr


def test_on_a_terminal(terminal: Callable[..., Terminal], redis: redis_py.Redis) -> None:
    redis.hset("fastkiq:cron", "nightly", DECLARED)
    redis.zadd("fastkiq:cron:next", {"nightly": 1_799_805_600})
    screen = terminal("cron", columns=80)
    assert screen.wait() == 0
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", screen.text)
    assert "At 03:00" in text
    assert all(len(line) <= 80 for line in text.splitlines())
