"""From a call to what lies in Redis: every enqueue call, client middleware, inline runs, the default client."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

import fastkiq
from client_kit import Hard, Nested, config, queued, scheduled, tag
from fastkiq import ArgumentError, Client, Config, client

__all__ = ["config"]


def test_client_push_takes_workers_and_names(redis: Redis) -> None:
    here = Client()
    here.push(Hard, "a", queue="q")
    here.push("app.Hard", "b", 2, queue="q")
    here.push("HardJob", {"for": "ruby"}, queue="q", retry=2, tags=["t"])
    here.push("HardJob", in_=timedelta(days=1))
    here.push("HardJob", at=datetime(2099, 1, 1, tzinfo=UTC))
    assert len(here.push_bulk("HardJob", [[1], [2]], queue="q")) == 2
    assert [(each["class"], each["args"], each["retry"]) for each in queued(redis, "q")] == [
        ("app.Hard", ["a"], 5),
        ("app.Hard", ["b", 2], 5),
        ("HardJob", [{"for": "ruby"}], 2),
        ("HardJob", [1], True),
        ("HardJob", [2], True),
    ]
    assert len(scheduled(redis)) == 2


@pytest.mark.parametrize(
    ("push", "message"),
    [
        (lambda: Client().push("app.Hard"), "missing a required argument"),
        (lambda: Client().push("a b"), "cannot name a worker"),
        (lambda: Client().push(""), "cannot name a worker"),
        (lambda: Client().push(5), "a Worker or its name is wanted"),
        (lambda: Client().push(object), "a Worker or its name is wanted"),
        (lambda: Client().push("X", in_=1, at=2), "exclude each other"),
        (lambda: Client().push("X", qeue="low"), r"X\.set: unknown option 'qeue'; did you mean 'queue'"),
        (lambda: Client().push("X", queue=""), "queue must be"),
    ],
)
def test_pushes_that_are_refused(push: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        push()


def test_the_default_client_follows_the_settings_that_concern_it(config: Config) -> None:
    first = client.default()
    assert client.default() is first
    fastkiq.configure(concurrency=3)
    assert client.default() is first
    fastkiq.configure(redis_url="redis://localhost:1")
    assert client.default() is not first
    mine = Client()
    assert client.replace_default(mine) is None
    assert client.default() is mine
    assert client.replace_default(None) is mine


def test_another_url_for_one_client(redis: Redis, redis_url: str, config: Config) -> None:
    config.redis_url = "redis://localhost:1"
    here = Client(redis_url)
    here.push(Hard, "a")
    here.close()
    here.push(Hard, "b")
    assert len(queued(redis)) == 2
    with pytest.raises(fastkiq.ConfigError, match="Client: redis_url"):
        Client("http://x")


def test_a_push_to_nowhere_is_a_connection_error(config: Config) -> None:
    config.redis_url = "redis://127.0.0.1:1"
    with pytest.raises(fastkiq.RedisConnectionError):
        Hard.perform_async("a")


def test_the_largest_payload_is_a_setting(config: Config, redis: Redis) -> None:
    config.max_payload_bytes = 2_000
    Nested.perform_async("x" * 1_000)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"2,?000"):
            Nested.perform_async("x" * 2_000)
        config.client_middleware.add(tag)


def test_a_large_payload_warns(redis: Redis) -> None:
    with pytest.warns(UserWarning, match="pass an id or a path"):
        Nested.perform_async("x" * 200_000)


def test_what_waits_in_the_outage_buffer_is_sent_when_redis_is_back(start_server: Any, config: Config) -> None:
    server = start_server()
    config.update({"redis_url": server.url, "outage_buffer": 10}, source="test")
    server.stop()
    assert Hard.perform_async("during") is not None
    assert client.default().buffered == 1
    server.start()
    assert client.default().flush_buffer() == 1
    with server.client() as redis:
        assert [each["args"][0] for each in queued(redis)] == ["during"]


def test_what_waits_in_the_outage_buffer_is_sent_at_exit(redis: Redis, redis_url: str) -> None:
    script = """if True:
        import sys, fastkiq
        fastkiq.configure(redis_url="redis://127.0.0.1:1", outage_buffer=2)
        import fastkiq.client
        here = fastkiq.client.default()
        print(len(here.push("A")), len(here.push("B")), here.buffered)
        try:
            here.push("C")
        except fastkiq.BufferFull:
            print("full")
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["24", "24", "2", "full"]
    assert "2 jobs" in done.stderr  # they are lost with the process, and it says so


def test_a_forked_child_enqueues_on_connections_of_its_own(redis: Redis, redis_url: str) -> None:
    script = f"""if True:
        import os, fastkiq
        here = fastkiq.Client({redis_url!r})
        here.push("Parent", queue="low")
        child = os.fork()
        if child == 0:
            try:
                here.push("Child", queue="low")
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        here.push("ParentAgain", queue="low")
    """
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
    assert [each["class"] for each in queued(redis)] == ["Parent", "Child", "ParentAgain"]


def test_the_embedded_server_is_started_by_name_and_anew_when_it_has_gone(
    config: Config, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = iter([redis_url, "redis://127.0.0.1:1", redis_url])
    monkeypatch.setattr("fastkiq.embedded.ensure", lambda **_: next(urls))
    config.redis_url = "embedded"
    Hard.perform_async("a")
    client.default().close()
    Hard.perform_async("b")  # meets a server that has just gone
    assert len(queued(redis)) == 2
    assert next(urls, None) is None
