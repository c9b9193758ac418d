"""What comes from outside reaches a terminal as text: no escape sequence, no markup, no line of its own."""

import json
import re
import subprocess
import time
from collections.abc import Callable

import pytest
import redis as redis_py
from rich.cells import cell_len

from fastkiq import _core
from fuzz.kit import UNFIT
from stored import HOSTILE, failed, job, put
from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Terminal]

SHOWN = "\\x1b[2J[red]x[/red]\\r\\n\\u202e\\u2028"
"""HOSTILE as it may be shown."""
COMMANDS = {
    "retries": [SHOWN, f"{SHOWN}: {SHOWN}"],
    "retries --groups": ["\N{REPLACEMENT CHARACTER}[#J[red]x[/red]"],
    "scheduled": [SHOWN],
    "dead": [SHOWN],
    "queues": [SHOWN],
    "queues mail": [SHOWN],
    "busy": [SHOWN],
    f"jobs {HOSTILE}": [SHOWN, "[red]x[/red]"],
    "stats": [],
}
OURS = re.compile("\x1b\\[[012]m|\r\x1b\\[K")
"""What the command line itself sends: bold, faint, neither, and the line of progress being wiped out."""


@pytest.fixture
def hostile(redis: redis_py.Redis) -> None:
    """HOSTILE in every field that is shown."""
    texts = {"class": HOSTILE, "jid": HOSTILE, "queue": HOSTILE, "args": [HOSTILE, {HOSTILE: HOSTILE}]}
    texts |= {"tags": [HOSTILE], HOSTILE: HOSTILE, "wrapped": HOSTILE, "retry": HOSTILE}
    raw = failed(
        1,
        **{**texts, "error_class": HOSTILE, "error_message": HOSTILE, "error_backtrace": [HOSTILE, "a.py:1:in f"]},
    )
    put(redis, "retry", raw)
    put(redis, "dead", raw, failed(2), score=time.time() - 60)
    put(redis, "schedule", job(1, **texts))
    redis.sadd("queues", "mail", HOSTILE)
    redis.sadd("paused", HOSTILE)
    for name in ("mail", HOSTILE):
        redis.lpush(f"queue:{name}", raw)
    identity = f"{HOSTILE}:5:a"
    info = {"hostname": HOSTILE, "pid": 5, "tag": HOSTILE, "labels": [HOSTILE], "queues": [HOSTILE], "version": HOSTILE}
    redis.sadd("processes", identity)
    redis.hset(identity, mapping={"info": json.dumps(info), "busy": 1, "concurrency": 5, "beat": time.time()})
    entry = {"queue": HOSTILE, "run_at": int(time.time()), "payload": raw.decode()}
    redis.hset(f"{identity}:work", HOSTILE, json.dumps(entry))
    redis.set(f"queue:{HOSTILE}2", "x")
    redis.sadd("queues", f"{HOSTILE}2")


def words(command: str) -> list[str]:
    name, _, rest = command.partition(" ")
    return [name, rest] if rest else [name]


@pytest.mark.parametrize("command", COMMANDS)
def test_in_pipes(ask: Ask, hostile: None, command: str) -> None:
    answer = ask(*words(command))
    assert answer.returncode == 0, answer
    assert not re.search(f"[{UNFIT}]", answer.stdout + answer.stderr)
    for shown in COMMANDS[command]:
        assert shown in answer.stdout
    document = ask(*words(command), "--json").stdout
    assert document.isascii()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", document)
    json.loads(document)


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("command", COMMANDS)
def test_on_a_terminal(terminal: Start, hostile: None, command: str, columns: int) -> None:
    shown = terminal(*words(command), columns=columns)
    assert shown.wait() == 0
    text = OURS.sub("", shown.text).replace("\r\n", "\n")
    assert not re.search(f"[{UNFIT}]", text)
    assert ("[red]" in text) == (command != "stats")


def test_what_is_asked_for_comes_back_escaped(ask: Ask, redis: redis_py.Redis) -> None:
    """Names and ids from the command line may have been copied from somewhere."""
    asked = [
        ["jobs", HOSTILE],
        ["queues", HOSTILE],
        ["queue", "pause", HOSTILE],
        ["queue", "clear", HOSTILE],
        ["busy", "quiet", HOSTILE],
        ["retries", HOSTILE],
        ["retries", "retry", HOSTILE],
        ["dead", "delete", f"5-{HOSTILE}"],
        ["dead", "--cursor", HOSTILE],
        ["push", "app.Hard", "--in", HOSTILE],
    ]
    for arguments in asked:
        answer = ask(*arguments)
        assert "Traceback" not in answer.stderr
        assert not re.search(f"[{UNFIT}]", answer.stdout + answer.stderr), arguments
        assert "[red]" in answer.stderr


def test_actions_on_hostile_jobs(ask: Ask, redis: redis_py.Redis, hostile: None) -> None:
    answer = ask("retries", "retry", "--all")
    assert answer.returncode == 1
    assert "names no queue that can be" in answer.stderr
    assert not re.search(f"[{UNFIT}]", answer.stdout + answer.stderr)
    assert ask("dead", "delete", HOSTILE).stdout == "1 dead job deleted\n"
    assert ask("queue", "resume", HOSTILE).stdout == f"{SHOWN} goes on\n"
    cleared = ask("queue", "clear", HOSTILE, "--yes")
    assert cleared.stdout == f"{SHOWN}: 1 job deleted\n"
    stopped = ask("busy", "stop", f"{HOSTILE}:5")
    assert stopped.stdout == f"{SHOWN}:5:a: asked to stop\n"


def test_stacks_are_escaped(redis: redis_py.Redis, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    from fastkiq.api import ProcessSet, Stacks, connect
    from fastkiq.cli import stacks

    redis.sadd("processes", "w:5:a")
    info = {"version": f"fastkiq {_core.__version__}", "hostname": "w", "pid": 5}
    redis.hset("w:5:a", mapping={"info": json.dumps(info), "busy": 0, "beat": time.time()})
    (process,) = ProcessSet(connect(url=redis_url))
    stacks._show(process, Stacks(5.0, {HOSTILE: [HOSTILE]}, HOSTILE), True)
    out = capsys.readouterr().out
    assert not re.search(f"[{UNFIT}]", out)
    assert f"    {SHOWN}\n" in out


@pytest.mark.parametrize("columns", [80, 140])
def test_wide_characters_keep_the_columns(terminal: Start, redis: redis_py.Redis, columns: int) -> None:
    names = ["app.A", "app.請求書", "app.\U0001f680", "app.e\u0301"]
    put(redis, "retry", *(failed(at, "E: x", queue="q", args=[], **{"class": name}) for at, name in enumerate(names)))
    shown = terminal("retries", columns=columns)
    assert shown.wait() == 0
    rows = OURS.sub("", shown.text).replace("\r\n", "\n").splitlines()
    heading = rows[0]
    jids = [row for row in rows if "0" * 20 in row]
    assert len(jids) == len(names)
    for row in jids:
        assert cell_len(row[: row.index("0" * 20)]) == heading.index("Jid")


def test_a_terminal_without_utf_8_gets_escapes(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", failed(1, "ValueError: 請求書"))
    for command in (["dead"], ["dead", "--groups"], ["jobs", f"{1:024x}"]):
        answer = ask(*command, PYTHONIOENCODING="iso-8859-2")
        assert answer.returncode == 0, answer
        assert "\\u8acb" in answer.stdout
