"""`fastkiq push`: what it refuses, and how much of a bulk is enqueued when something goes wrong on the way."""

import io
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest
import redis as redis_py

import fastkiq
from fastkiq.cli.bulk import push_lines

SHOP = """
import fastkiq

class Greet(fastkiq.Worker, queue="mail"):
    def perform(self, name: str) -> None: ...
"""


class Pipe(io.BytesIO):
    """Read once, as a pipe is."""

    def seekable(self) -> bool:
        return False


@pytest.fixture
def push(
    ask: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "bare.py").write_text("")
    return partial(ask, "push")


@pytest.fixture
def client(redis_url: str) -> fastkiq.Client:
    return fastkiq.Client(redis_url, config=fastkiq.Config())


@pytest.fixture
def worker() -> type[fastkiq.Worker]:
    class Count(fastkiq.Worker, name="app.Count"):
        def perform(self, number: int) -> None: ...

    return Count


def test_a_name_that_the_loaded_module_does_not_define(
    push: Callable[..., subprocess.CompletedProcess[str]], redis: redis_py.Redis
) -> None:
    for name, says in (
        ("Greet", "shop.py defines no worker Greet; did you mean 'shop.Greet'?"),
        ("shop.Gret", "did you mean 'shop.Greet'?"),
        ("Elsewhere", "only shop.Greet"),
    ):
        answer = push("-m", "shop.py", name, '"bob"')
        assert answer.returncode == 2
        assert says in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
    assert "defines no worker" in push("-m", "bare.py", "Greet").stderr
    assert redis.keys() == []
    assert push("-m", "shop.py", "shop.Greet", '"bob"').returncode == 0
    assert redis.llen("queue:mail") == 1


def test_a_time_without_a_zone_is_answered_with_one(push: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    answer = push("HardJob", "--at", "2030-01-01")
    assert answer.returncode == 2
    assert "write 2030-01-01T00:00:00Z" in answer.stderr


def test_bulk_from_a_file_and_from_a_pipe(
    push: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, redis: redis_py.Redis
) -> None:
    lines = '["ann"]\n\n["bob"]\n'
    (tmp_path / "jobs.jsonl").write_text(lines)
    assert push("shop.Greet", "-m", "shop.py", "--bulk", "jobs.jsonl").stdout == "2 jobs enqueued\n"
    assert push("shop.Greet", "-m", "shop.py", "--bulk", "-", stdin=lines).stdout == "2 jobs enqueued\n"
    assert push("shop.Greet", "-m", "shop.py", "--bulk", "-", stdin='["ann"]').stdout == "1 job enqueued\n"
    assert redis.llen("queue:mail") == 5
    (tmp_path / "jobs.jsonl").write_text(lines + "[]\n")
    answer = push("shop.Greet", "-m", "shop.py", "--bulk", "jobs.jsonl")
    assert answer.returncode == 2
    assert re.search(r"line 4: Greet\.perform\(name: str\)", answer.stderr)
    assert redis.llen("queue:mail") == 5


BAD = [b"nonsense\n", b"5\n", b"[]\n", b"[1, 2]\n", b"[" * 100 + b"]" * 100 + b"\n", b'["%s"]\n' % (b"x" * 9_000_000)]


@pytest.mark.parametrize("bad", BAD, ids=["no JSON", "no list", "too few", "too many", "too deep", "too large"])
@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_a_bad_line_is_found_before_anything_is_enqueued(
    client: fastkiq.Client,
    worker: type[fastkiq.Worker],
    redis: redis_py.Redis,
    bad: bytes,
    kind: Callable[[bytes], io.BytesIO],
) -> None:
    with pytest.raises(click.UsageError, match="line 2003"):
        push_lines(client, "app.Count", kind(b"[1]\n" * 2_001 + b"\n" + bad), None, {})
    assert redis.keys() == []


def test_a_file_is_read_from_where_it_stands(client: fastkiq.Client, redis: redis_py.Redis) -> None:
    file = io.BytesIO(b"heading\n[1]\n[2]\n")
    file.readline()
    assert push_lines(client, "app.Count", file, None, {}) == 2


@pytest.mark.parametrize("whole", [0, 1, 3, 4, 5, 8_000, 11_999])
def test_a_pipe_that_is_too_long_tells_where_to_go_on(
    client: fastkiq.Client, worker: type[fastkiq.Worker], redis: redis_py.Redis, whole: int
) -> None:
    assert push_lines(client, "app.Count", Pipe(b"[1]\n" * 3_000), None, {}, whole) == 3_000
    redis.flushall()
    lines = b"\n" + b"[1]\n" * 2_500 + b"[]\n" + b"[1]\n" * 500
    with pytest.raises(click.UsageError, match=r"line 2502: .*; 2,000 jobs enqueued so far, go on at line 2002"):
        push_lines(client, "app.Count", Pipe(lines), None, {}, whole)
    assert redis.llen("queue:default") == 2_000


def test_a_refusal_on_the_way_tells_of_which_lines(
    client: fastkiq.Client, redis: redis_py.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = 0

    def refuse(worker: object, payload: object) -> object:
        nonlocal pushed
        pushed += 1
        if pushed > 1_500:
            raise fastkiq.RedisReadOnlyError("no")
        yield

    client.config.client_middleware.add(refuse)
    with pytest.raises(fastkiq.RedisReadOnlyError):
        push_lines(client, "app.Count", io.BytesIO(b"[1]\n" * 3_000), None, {})
    assert capsys.readouterr().err == (
        "fastkiq: of lines 1001 to 2000 0 jobs enqueued, 0 perhaps; 1,000 jobs before, none after\n"
    )
