"""Marks of deploys: what is written, once however many hosts say so, and the commit as a label."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import clean_environment
from children import fastkiq as command_line
from fastkiq import deploy
from fastkiq.errors import ArgumentError

THEN = datetime(2026, 11, 22, 0, 6, 59, 999_999, UTC)


@pytest.fixture
def client(redis_url: str) -> fastkiq.Client:
    return fastkiq.Client(redis_url)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A commit with a subject in UTF-8."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "Größer é\n\nBody"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.both_servers
def test_a_mark_as_sidekiq_writes_it(client: fastkiq.Client, redis: redis_py.Redis) -> None:
    assert deploy.mark("v1 é", THEN, client=client)
    assert redis.hgetall("20261122-marks") == {b"2026-11-22T00:06:00Z": "v1 é".encode()}
    assert 90 * 86_400 - 60 < redis.ttl("20261122-marks") <= 90 * 86_400
    assert redis.get("deploylock-v1 é") == b"2026-11-22T00:06:00Z"
    assert 50 < redis.ttl("deploylock-v1 é") <= 60
    assert len(redis.keys("*")) == 2


def test_now_is_told_by_redis(client: fastkiq.Client, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    before = redis.time()[0]
    assert deploy.mark("v1", client=client)
    minutes = {f"{datetime.fromtimestamp(at - at % 60, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in (before, redis.time()[0])}
    (key,) = redis.keys("*-marks")
    ((stamp, label),) = redis.hgetall(key).items()
    assert (stamp.decode() in minutes, label) == (True, b"v1")
    assert key == stamp[:10].replace(b"-", b"") + b"-marks"


def test_ten_hosts_make_one_mark(client: fastkiq.Client, redis: redis_py.Redis) -> None:
    """Also when their deploys reach over the end of a minute."""
    times = [THEN.timestamp() + 5 * host for host in range(10)]
    with ThreadPoolExecutor(10) as hosts:
        made = list(hosts.map(lambda at: deploy.mark("v1", at, client=client), times))
    assert sorted(made) == [False] * 9 + [True]
    assert redis.hlen("20261122-marks") == 1


def test_the_first_label_of_a_minute_stays(client: fastkiq.Client, redis: redis_py.Redis) -> None:
    assert deploy.mark("v1", THEN, client=client)
    assert not deploy.mark("v2", THEN, client=client)
    assert deploy.mark("v3", THEN.timestamp() + 60, client=client)
    assert set(redis.hvals("20261122-marks")) == {b"v1", b"v3"}


def test_no_label_is_a_tag(client: fastkiq.Client, redis: redis_py.Redis) -> None:
    assert deploy.mark("a < b </canvas><script>", THEN, client=client)
    assert redis.hvals("20261122-marks") == ["a ‹ b ‹/canvas›‹script›".encode()]


@pytest.mark.parametrize(
    ("label", "at", "says"),
    [
        ("", None, "a text"),
        (" \n", None, "a text"),
        (b"v1", None, "a text"),
        ("x" * 256, None, "at most 255"),
        ("\udc80", None, "no valid text"),
        ("v1", datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001
        ("v1", -1, "before 1970"),
        ("v1", 1e12, "out of range"),
        ("v1", "today", "not str"),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: fastkiq.Client, redis: redis_py.Redis, label: Any, at: Any, says: str
) -> None:
    with pytest.raises(ArgumentError, match=says):
        deploy.mark(label, at, client=client)
    assert redis.keys("*") == []


def test_the_commit_is_the_label(repository: Path, monkeypatch: pytest.MonkeyPatch, redis: redis_py.Redis) -> None:
    monkeypatch.chdir(repository)
    assert re.fullmatch("[0-9a-f]{7,} Größer é", deploy.commit())


def test_without_a_commit_a_label_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ArgumentError, match=r"needs a label: .*not a git repository"):
        deploy.commit()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ArgumentError, match=r"needs a label: .*'git'"):
        deploy.commit()


def test_from_a_shell(repository: Path, redis: redis_py.Redis, redis_url: str) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = command_line("mark", *arguments)
        environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
        return subprocess.run(words, cwd=repository, env=environment, capture_output=True, text=True, timeout=30)

    assert run("v\x1b[31m1", "--at", "2026-11-22T00:06:30Z").stdout == "marked: v\\x1b[31m1\n"
    assert redis.hgetall("20261122-marks") == {b"2026-11-22T00:06:00Z": b"v\x1b[31m1"}
    assert run("v\x1b[31m1").stdout.startswith("marked before: ")
    assert re.fullmatch(r"marked: [0-9a-f]{7,} Größer é\n", run().stdout)
    wrong = run("v2", "--at", "tomorrow")
    assert (wrong.returncode, "--at" in wrong.stderr) == (2, True)


def test_it_is_loaded_when_it_is_asked_for() -> None:
    code = "import fastkiq, sys; assert 'fastkiq.deploy' not in sys.modules; fastkiq.deploy.mark"
    subprocess.run([sys.executable, "-c", code], check=True, env=clean_environment())
