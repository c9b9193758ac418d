"""The command line: help, mistakes, and listings of hostile contents."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import redis as redis_py

from children import clean_environment, fastkiq
from fastkiq import cli

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = [
    "new",
    *("process", "push", "stats", "queues", "queue", "busy", "retries", "scheduled", "dead", "jobs"),
    *("cron", "web", "top", "doctor", "recover", "mark", "bench", "completion"),
]
ACTIONS = [
    *("queue pause", "queue resume", "queue clear", "busy quiet", "busy stop", "busy dump"),
    *("retries retry", "retries kill", "retries delete", "scheduled enqueue", "scheduled kill", "scheduled delete"),
    *("dead retry", "dead delete"),
    *("cron show", "cron pause", "cron resume", "cron run", "cron add", "cron remove"),
]


def one_line(answer: subprocess.CompletedProcess[str], code: int) -> str:
    assert answer.returncode == code, answer
    assert answer.stdout == ""
    lines = answer.stderr.splitlines()
    assert len(lines) == 1, answer.stderr
    assert lines[0].startswith("fastkiq: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(call: Run, command: str) -> None:
    answer = call(command, "--help")
    assert answer.returncode == 0
    assert f"Usage: fastkiq {command}" in answer.stdout
    assert command in call("--help").stdout


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_has_help_with_examples(call: Run, action: str) -> None:
    answer = call(*action.split(), "-h", COLUMNS="80")
    assert answer.returncode == 0
    assert f"Usage: fastkiq {action}" in answer.stdout
    assert f"  fastkiq {action}" in answer.stdout.partition("Examples:")[2]
    assert [line for line in answer.stdout.splitlines() if len(line) > 78] == []


def test_these_are_all_commands_and_actions() -> None:
    found: dict[str, list[str]] = {}
    for name in cli.commands.list_commands(click.Context(cli.commands)):
        command = cli.commands.get_command(click.Context(cli.commands), name)
        found[name] = [f"{name} {verb}" for verb in command.commands] if isinstance(command, click.Group) else []
    assert sorted(found) == sorted(COMMANDS)
    assert sorted(each for actions in found.values() for each in actions) == sorted(ACTIONS)


def test_version_and_no_arguments(call: Run) -> None:
    assert re.fullmatch(r"fastkiq \d+\.\d+\.\d+\S*\n", call("--version").stdout)
    assert "Commands:" in call().stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--nonsense"], "--nonsense"),
        (["proces"], "did you mean 'process'?"),
        (["stat"], "did you mean 'stats'?"),
        (["retries", "retyr"], "did you mean 'retry'?"),
        (["dead", "0123abcd"], "`fastkiq jobs JID`"),
        (["queue", "stop", "x"], "no such action: stop"),
        (["retries", "-n", "0"], "-n"),
        (["queue", "pause"], "NAME"),
        (["queues", "--class", "x"], "name it"),
        (["jobs", ""], "a jid is a text"),
        (["process", "--concurency", "5", "x.py"], "--concurency"),
        (["process"], "nothing to load"),
        (["process", "missing.py"], "missing.py"),
        (["process", "no.such.module"], "'no'"),
        (["process", "x.py", "-c", "many"], "many"),
        (["process", "x.py", "-c", "0"], "concurrency"),
        (["process", "x.py", "-t", "-1"], "timeout"),
        (["process", "x.py", "-q", "a b"], "queues"),
        (["process", "x.py", "-q", "a,x"], "-q a -q x"),
        (["process", "x.py", "--drain", "15"], "--drain=15"),
        (["process", "x.py", "--fetch", "magic"], "fetch"),
        (["process", "x.py", "--drain=-1"], "--drain"),
        (["process", "x.py", "--redis", "gopher://x"], "--redis"),
        (["process", "x.py", "-C", "nowhere.toml"], "nowhere.toml"),
        (["stats", "-C", "nowhere.toml"], "nowhere.toml"),
        (["push", "app.Hard", "bob"], "argument 1"),
        (["push", "app.Hard", "[" * 100_000], "argument 1"),
        (["push", "app.Hard", "[NaN]"], "argument 1"),
        (["push", "app.Hard", "--at", "tomorrow"], "--at"),
        (["push", "app.Hard", "--in", "soon"], "1h30m"),
        (["push", "a b"], "a b"),
        (["push", "app.Hard", "1", "--bulk", "-"], "--bulk"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_mistakes_take_one_line_and_exit_2(call: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "x.py").write_text("import fastkiq\n")
    assert says in one_line(call(*arguments), 2)


@pytest.mark.parametrize(
    "arguments", [["process", "-c", "0"], ["process", "--nonsense"], ["push"], ["push", "x", "--redis", "gopher://x"]]
)
def test_usage_errors_name_the_help_of_their_command(call: Run, arguments: list[str]) -> None:
    assert one_line(call(*arguments), 2).endswith(f"(see fastkiq {arguments[0]} --help)")


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help_fits_80_columns(call: Run, command: list[str]) -> None:
    lines = call(*command, "--help", COLUMNS="80").stdout.splitlines()
    assert [line for line in lines if len(line) > 78] == []


def test_an_environment_without_a_section_is_mentioned(call: Run, tmp_path: Path) -> None:
    (tmp_path / "fastkiq.toml").write_text("redis_url = 'redis://127.0.0.1:1'\n[production]\ntimeout = 5\n")
    assert "did you mean 'production'?" in call("stats", "-e", "prodution").stderr
    for environment in ("production", "development"):
        assert "section" not in call("stats", "-e", environment).stderr
    (tmp_path / "fastkiq.toml").write_text("redis_url = 'redis://127.0.0.1:1'\n")
    assert "section" not in call("stats", "-e", "prodution").stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("concurrency = 0\n", "concurrency"),
        ("concurency = 5\n", "concurency"),
        ("concurrency = \n", "fastkiq.toml"),
        ("[production]\ntimeout = 'x'\n", "production"),
    ],
)
def test_a_broken_configuration_file_names_file_and_key(call: Run, tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.py").write_text("import fastkiq\n")
    (tmp_path / "fastkiq.toml").write_text(content)
    line = one_line(call("process", "x.py"), 2)
    assert "fastkiq.toml" in line
    assert says in line


def test_a_module_that_raises_shows_the_users_traceback(call: Run, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("\n1 / 0\n")
    answer = call("process", "x.py")
    assert answer.returncode == 1
    assert 'x.py", line 2' in answer.stderr
    assert "ZeroDivisionError" in answer.stderr
    assert "fastkiq/" not in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("fastkiq: ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(call: Run, shell: str) -> None:
    answer = call("completion", shell)
    assert "_FASTKIQ_COMPLETE" in answer.stdout
    assert answer.returncode == 0


def test_completion_completes(call: Run) -> None:
    answer = call(_FASTKIQ_COMPLETE="bash_complete", COMP_WORDS="fastkiq pro", COMP_CWORD="1")
    assert "process" in answer.stdout


@pytest.mark.parametrize(
    ("typed", "offers"),
    [
        ("process sho", "file,sho"),
        ("process shop.py -C fast", "file,fast"),
        ("process shop.py --redis emb", "plain,embedded"),
        ("process shop.py --log-format j", "plain,json"),
        ("process shop.py --fetch ", "plain,reliable\nplain,basic"),
        ("push -m sho", "file,sho"),
        ("push x --bulk job", "file,job"),
    ],
)
def test_completion_of_values(call: Run, typed: str, offers: str) -> None:
    words = f"fastkiq {typed}"
    answer = call(_FASTKIQ_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
    assert answer.stdout == f"{offers}\n"


@pytest.mark.parametrize(
    ("typed", "offers"),
    [
        ("retries re", "plain,retry"),
        ("dead ", "plain,delete\nplain,retry"),
        ("queue c", "plain,clear"),
        ("busy st", "plain,stop"),
        ("queues ma", "plain,mail"),
        ("queue pause mail re", "plain,reports"),
        ("dead -q ", "plain,mail\nplain,reports"),
        ("queues --redis redis://127.0.0.1:1 ", ""),
        ("queues --redis embedded ", ""),
        ("queues -C nowhere.toml ", ""),
    ],
)
def test_completion_of_actions_and_queues(
    ask: Run, redis: redis_py.Redis, tmp_path: Path, typed: str, offers: str
) -> None:
    redis.sadd("queues", "mail", "reports", "a b", "x\x1b[2J")
    words = f"fastkiq {typed}"
    answer = ask(_FASTKIQ_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
    assert answer.stdout.strip() == offers
    assert answer.stderr == ""
    assert list(tmp_path.iterdir()) == [], "no embedded server, no file"


def test_redis_unreachable_is_a_clear_message(call: Run) -> None:
    answer = call("stats", "--redis", "redis://:hunter2@127.0.0.1:1/0")
    assert answer.returncode == 1
    assert "--redis embedded" in answer.stderr
    assert "hunter2" not in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "FASTKIQ_REDIS_URL" in answer.stderr


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis://127.0.0.1:1?db=3", "unix:///nowhere.sock"])
def test_a_url_without_a_password_hides_none(call: Run, url: str) -> None:
    assert "password" not in call("stats", "--redis", url).stderr


def test_a_broken_pipe_is_no_error(tmp_path: Path, redis_url: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
    answer = subprocess.run(
        fastkiq("stats"), stdout=writer, stderr=subprocess.PIPE, env=environment, timeout=30, check=False, cwd=tmp_path
    )
    os.close(writer)
    assert answer.stderr == b""


def test_the_tool_is_the_same_as_a_module_and_as_a_script(call: Run) -> None:
    script = Path(sys.executable).with_name("fastkiq")
    assert script.exists()
    answer = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert answer.stdout == call("--version").stdout


def test_push_stats_and_listings(call: Run, redis_url: str, redis: object) -> None:
    def ask(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return call(*arguments, stdin=stdin, FASTKIQ_REDIS_URL=redis_url)

    jid = ask("push", "app.Hard", '"bob"', "5", '{"a": [1]}', "-q", "mail").stdout.strip()
    assert re.fullmatch("[0-9a-f]{24}", jid)
    assert ask("push", "app.Later", "--in", "600").returncode == 0
    assert ask("push", "app.Later", "--at", "2099-01-01T00:00:00Z").returncode == 0
    assert ask("push", "app.Count", "--bulk", "-", stdin="[1]\n\n[2]\n").stdout == "2 jobs enqueued\n"
    assert json.loads(ask("stats", "--json").stdout)["enqueued"] == 3
    queues = {row["queue"]: row for row in json.loads(ask("queues", "--json").stdout)}
    assert {name: row["size"] for name, row in queues.items()} == {"mail": 1, "default": 2}
    scheduled = json.loads(ask("scheduled", "--json").stdout)["jobs"]
    assert [row["class"] for row in scheduled] == ["app.Later", "app.Later"]
    assert scheduled[1]["at"] == 4_070_908_800
    assert "mail" in ask("queues").stdout
    lines = ask("scheduled").stdout.splitlines()
    assert lines[0].split() == ["When", "Class", "Queue", "Jid"]
    assert [line for line in lines if line != line.rstrip() or not line] == []
    assert re.fullmatch(r" *in [\d,.]+ days  app\.Later  default  [0-9a-f]{24}", lines[2])
    assert ask("retries").stderr == "no retries\n"
    assert ask("busy").returncode == 0
    assert "line 1 is no JSON list" in ask("push", "app.Count", "--bulk", "-", stdin="5\n").stderr


def test_hostile_contents_reach_no_terminal(call: Run, redis_url: str, redis: object) -> None:
    hostile = "\x1b[2J[red]x[/red]\r\n\u202e"
    payload = {
        "class": hostile,
        "args": [hostile],
        "jid": hostile,
        "queue": "q",
        "error_class": hostile,
        "retry_count": 1,
    }
    redis.zadd("retry", {json.dumps(payload): 5, b"\xff not json": 6, b'{"args":5,"class":[]}': 7})  # type: ignore[attr-defined]
    redis.sadd("queues", "odd\x1b[1m", "plain")  # type: ignore[attr-defined]
    redis.lpush("queue:plain", b"\xff", b"[]", b'{"enqueued_at":"soon"}')  # type: ignore[attr-defined]
    redis.sadd("processes", "ghost", "odd")  # type: ignore[attr-defined]
    redis.hset("odd", mapping={"info": "[1]", "busy": "x"})  # type: ignore[attr-defined]
    redis.sadd("processes", "strange")  # type: ignore[attr-defined]
    redis.hset("strange", mapping={"info": '{"queues":5,"tag":{},"started_at":"x"}', "busy": 4})  # type: ignore[attr-defined]
    work = [
        {"run_at": 10**400, "queue": hostile, "payload": 5},
        {"run_at": "x"},
        [],
        {"run_at": 5, "payload": "\ud800"},
    ]
    redis.hset("strange:work", mapping={f"t{n}": json.dumps(entry) for n, entry in enumerate(work)})  # type: ignore[attr-defined]
    for command in ("retries", "queues", "busy", "stats"):
        for form in ([], ["--json"]):
            answer = call(command, *form, FASTKIQ_REDIS_URL=redis_url)
            assert answer.returncode == 0, answer
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", answer.stdout), (command, form)
    assert "[red]" in call("retries", FASTKIQ_REDIS_URL=redis_url).stdout
