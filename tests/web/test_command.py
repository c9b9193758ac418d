"""`fastkiq web`: serves, says where, refuses what would let strangers in, and stops cleanly."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from children import Child, clean_environment, fastkiq
from web_server import ask

Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    children: list[Child] = []

    def run(*arguments: str, **environment: str) -> Child:
        words = fastkiq("web", "--port", "0", "--redis", redis_url, *arguments)
        children.append(Child(words, tmp_path, clean_environment(environment)))
        return children[-1]

    yield run
    for child in children:
        child.close()


def address(child: Child) -> str:
    found = re.search(r"http://(\S+):(\d+)/", child.wait_for("Ctrl-C stops it"))
    assert found is not None
    return f"http://127.0.0.1:{found[2]}"


def refused(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        fastkiq("web", *arguments), env=clean_environment(environment), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_serves_and_stops(start: Start, number: signal.Signals) -> None:
    child = start()
    base = address(child)
    assert ask(base + "/").status == 200
    assert ask(base + "/", headers={"Host": "evil.example"}).status == 403
    child.signal(number)
    assert child.wait() == 0
    assert len(child.output().splitlines()) == 1, "one line, and no log of requests"


def test_answers_on_a_kept_connection_wait_for_no_acknowledgement(start: Start) -> None:
    host, _, port = address(start()).removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        connection.request("GET", "/favicon.ico")
        assert connection.getresponse().read()
        taken.append(time.perf_counter() - begun)
    connection.close()
    assert min(taken[5:]) < 0.035, "each would take the 40 ms of a delayed acknowledgement"


def test_a_password_from_the_environment(start: Start) -> None:
    child = start("--host", "0.0.0.0", "--username", "ops", FASTKIQ_WEB_PASSWORD="secret")
    base = address(child)
    assert ask(base + "/").status == 401
    header = {"Authorization": "Basic " + b64encode(b"ops:secret").decode()}
    assert ask(base + "/", headers=header).status == 200
    assert ask(base + "/", headers={**header, "Host": "jobs.example.org"}).status == 403
    assert ask(base + "/", headers={"Authorization": "Basic " + b64encode(b"ops:hunter2").decode()}).status == 401
    child.wait_for("WARNING: wrong user name, password or token from 127.0.0.1")
    assert "hunter2" not in child.output()


def test_a_token_from_a_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken-of-the-tests\n")
    base = address(start("--token-file", "token", "--allow-host", "jobs.example.org", "--read-only"))
    headers = {"Authorization": "Bearer t0ken-of-the-tests", "Host": "jobs.example.org"}
    assert ask(base + "/").status == 401
    assert ask(base + "/", headers=headers).status == 200
    assert ask(base + "/", method="POST", headers=headers).status == 403


def test_a_prefix_that_a_proxy_takes_off(start: Start) -> None:
    child = start("--prefix", "/jobs")
    base = address(child)
    assert "/jobs/ shows" in child.output()
    assert 'href="/jobs/queues"' in ask(base + "/").text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.255.255.1", "example.org"])
def test_strangers_need_a_password(host: str) -> None:
    answer = refused("--host", host)
    assert answer.returncode == 2
    assert "lets other machines in" in answer.stderr
    assert "--username" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["--username", "ops"], {}, "FASTKIQ_WEB_PASSWORD"),
        (["--username", "a:b"], {"FASTKIQ_WEB_PASSWORD": "x"}, "no colon"),
        (["--username", "ops"], {"FASTKIQ_WEB_PASSWORD": ""}, "must not be empty"),
        (["--token-file", "/nonexistent"], {}, "cannot be read"),
        (["--allow-host", "https://x"], {}, "not the name of a host"),
        (["--prefix", "jobs"], {}, "prefix must be a path"),
        (["--redis", "http://x"], {}, "redis"),
        ([], {"FASTKIQ_WEB_TOKEN": "with space"}, "without spaces"),
        ([], {"FASTKIQ_WEB_SECRET": "short"}, "16 characters"),
    ],
)
def test_mistakes(arguments: list[str], environment: dict[str, str], text: str) -> None:
    answer = refused(*arguments, **environment)
    assert answer.returncode == 2, answer.stderr
    assert text in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = refused("--port", str(taken.getsockname()[1]))
    assert answer.returncode == 1
    assert "cannot listen" in answer.stderr
    assert "--port takes another one" in answer.stderr


def test_no_password_is_taken_from_the_command_line() -> None:
    answer = refused("--password", "x")
    assert answer.returncode == 2


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'starlette' else found(name, *rest)\n"
        "from fastkiq.cli import main; main(['web'])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.strip() == "fastkiq: the web UI needs starlette: pip install 'fastkiq[web]'"


def test_a_password_that_is_typed(tmp_path: Path, redis_url: str) -> None:
    import pty

    master, slave = pty.openpty()
    child = subprocess.Popen(
        fastkiq("web", "--port", "0", "--redis", redis_url, "--username", "ops"),
        env=clean_environment(), stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        text = b""
        while b"Password:" not in text:
            text += os.read(master, 4096)
        os.write(master, b"secret\n")
        while b"Repeat" not in text:
            text += os.read(master, 4096)
        os.write(master, b"secret\n")
        while b"Ctrl-C stops it" not in text:
            text += os.read(master, 4096)
        found = re.search(rb"127\.0\.0\.1:(\d+)/", text)
        assert found is not None
        base = f"http://127.0.0.1:{found[1].decode()}"
        header = {"Authorization": "Basic " + b64encode(b"ops:secret").decode()}
        assert (ask(base + "/").status, ask(base + "/", headers=header).status) == (401, 200)
        assert b"secret" not in text
        child.terminate()
        assert child.wait(15) == 0
    finally:
        child.kill()
        child.wait(10)
        os.close(master)
