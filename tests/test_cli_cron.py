"""`fastkiq cron` and its commands."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

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
    assert re.match(r"poll +in (90\.0|89\.\d) min ", table[1]), table[1]
    jid = ask("cron", "run", "poll").stdout.strip()
    assert json.loads(redis.lrange("queue:low", 0, -1)[0])["jid"] == jid
    shown = ask("cron", "show", "poll", "-n", "2").stdout
    assert "Every 1 hour 30 minutes" in shown
    assert jid in shown
    assert re.search(r'^Arguments +"eu", 5$', shown, re.MULTILINE)
    assert re.search(r"^Declared by +API or command line$", shown, re.MULTILINE)
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
        (("remove", "nightly", "--yes"), 1, "declared by a worker class"),
        (("add", "nightly", "A", "--every", "5"), 2, "declared by a worker class"),
        (("add", "x", "A"), 2, "exactly one of them"),
        (("add", "x", "A", "--cron", "61 * * * *"), 2, "cron"),
        (("add", "x", "A", "--every", "soon"), 2, "Invalid value for '--every': 'soon' is no span of time"),
        (("add", "x", "A", "--every", "0"), 2, "every must be"),
        (("add", "x", "A", "--every", "5", "--interval", "5"), 2, "exactly one of them"),
        (("add", "x", "A", "--interval", "5m", "--first-in", "5"), 2, "first_in belongs to every"),
        (("add", "x", "A", "bob", "--every", "5"), 2, "argument 1 is no JSON"),
    ]:
        answer = ask("cron", *words)
        assert (answer.returncode, says in answer.stderr) == (code, True), answer.stderr
        assert "Traceback" not in answer.stderr


def test_each_way_to_say_when_is_in_the_json(ask: Ask) -> None:
    for name, *words in [
        ("every", "--every", "1h", "--first-in", "30m"),
        ("interval", "--interval", "2 days"),
        ("once", "--at", "2100-01-01T00:00:00Z"),
    ]:
        assert ask("cron", "add", name, "app.Poll", *words).returncode == 0
    every, interval, once = json.loads(ask("cron", "--json").stdout)
    keys = ("every", "first_in", "interval", "at", "cron", "enabled")
    assert [every[key] for key in keys] == [3600, 1800, None, None, None, True]
    assert every["next"]["epoch"] <= time.time() + 1801
    assert [interval[key] for key in keys] == [None, None, 172_800, None, None, True]
    assert once["at"] == once["next"] == {"iso": "2100-01-01T00:00:00.000Z", "epoch": 4_102_444_800}


def test_one_that_is_disabled_does_not_come_until_it_is_added_again(ask: Ask, redis: redis_py.Redis) -> None:
    words = ("cron", "add", "poll", "app.Poll", "--interval", "5m")
    assert ask(*words, "--disabled").stdout == "poll: 5 minutes after the one before was enqueued, disabled\n"
    assert redis.zscore("fastkiq:cron:next", "poll") is None
    assert "disabled" in ask("cron").stdout
    assert re.search(r"^State +disabled$", ask("cron", "show", "poll").stdout, re.MULTILINE)
    assert ", next 20" in ask(*words).stdout
    assert "disabled" not in ask("cron").stdout
    assert (redis.zscore("fastkiq:cron:next", "poll") or 0) > time.time() + 200


def test_of_several_what_is_said_of_the_settings_is_said_once(ask: Ask, tmp_path: Path, redis: redis_py.Redis) -> None:
    (tmp_path / "fastkiq.toml").write_text("[production]\nconcurrency = 2\n")
    for name in ("a", "b"):
        assert ask("cron", "add", name, "app.Poll", "--every", "60").returncode == 0
    for words in (("pause",), ("resume",), ("remove", "--yes")):
        done = ask("cron", *words, "a", "b", "-e", "staging")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 2
        assert done.stderr.count("-e staging") == 1, done.stderr


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
