"""Whatever lies in a queue, in a payload's options or in a job's exception: the worker goes on, nothing is lost."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from children import Child
from fastkiq import Client
from proxy import Proxy
from readable import kept
from servers import Server, wait_until

Start = Callable[..., Child]

APP = """
    import os, sys, redis as redis_py, fastkiq
    db = redis_py.Redis.from_url(os.environ.get("NOTES_URL") or os.environ["FASTKIQ_REDIS_URL"])

    class Note(fastkiq.Worker):
        def perform(self, word):
            db.rpush("notes", word)

    class Silent(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    class Raise(fastkiq.Worker):
        def perform(self, what):
            if what == "exit":
                sys.exit(3)
            if what == "interrupt":
                raise KeyboardInterrupt
            if what == "base":
                raise BaseException("base")
            if what == "silent":
                raise Silent
            if what == "long":
                raise ValueError("x" * 5_000_000)
            if what == "surrogate":
                raise ValueError("a\\ud800b")
            if what == "group":
                raise BaseExceptionGroup("both", [SystemExit(), ValueError()])

    fastkiq.configure().death_handlers.append(lambda job, error: db.rpush("deaths", job.jid or "no jid"))
"""


def payload(**fields: Any) -> bytes:
    base = {
        "retry": True,
        "queue": "default",
        "args": ["fine"],
        "class": "app.Note",
        "jid": "c" * 24,
        "created_at": 1_795_305_947_963,
        "enqueued_at": 1_795_305_947_963,
    }
    return json.dumps({**base, **fields}, separators=(",", ":")).encode()


def last_note_is(redis: redis_py.Redis, word: str) -> None:
    wait_until(lambda: redis.lindex("notes", -1) == word.encode(), 15, f"the note {word!r}")


@pytest.fixture
def client(redis_url: str) -> Client:
    return Client(redis_url)


def test_payloads_that_no_job_can_be_made_of(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    flawed = [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"[1,2]",
        b"5",
        b"null",
        b'{"args":[]}',
        b'{"class":5,"args":[]}',
        b'{"class":"app.Note"}',
        b'{"class":"app.Note","args":{"a":1}}',
        b'{"class":"app.Note","args":["a"],"args":["b"]}',
        b'{"class":"app.Note","args":["a"],"cl\\u0061ss":"app.Note"}',
        b'{"class":"app.Note","args":[NaN]}',
        b'{"class":"app.Note","args":[' + b"[" * 200 + b"]" * 200 + b"]}",
        b'{"class":"app.Note","args":["' + b"x" * 20_000 + b'"]}',
        b'{"class":"app.Note","args":["cut',
    ]
    for raw in flawed:
        redis.lpush("queue:default", raw)
    client.push("app.Note", "after")
    child = worker_process(APP + LIMIT)
    last_note_is(redis, "after")
    wait_until(lambda: redis.zcard("dead") == len(flawed), 10, "all flawed payloads in the dead set")
    dead = redis.zrange("dead", 0, -1)
    assert {kept(entry) for entry in dead} == set(flawed), "every byte"
    assert [json.loads(entry)["queue"] for entry in dead] == ["default"] * len(flawed)
    wait_until(lambda: redis.llen("deaths") == len(flawed), 10, "the death handlers")
    assert redis.zcard("retry") == redis.llen("queue:default") == 0
    wait_until(lambda: not redis.keys("fastkiq:flight:*"), 5, "no flight left")
    assert child.output().count("dead set now") == len(flawed)
    assert child.stop() == 0


LIMIT = """
    fastkiq.configure(max_payload_bytes=10_000)
"""


@pytest.mark.parametrize(
    "fields",
    [
        {"retry": "x"},
        {"retry": -1},
        {"retry": 1e99},
        {"retry_for": 1e99},
        {"retry_for": "soon"},
        {"retry_queue": "a b\n"},
        {"backtrace": "yes"},
        {"dead": 5},
        {"tags": {"a": 1}},
        {"tags": "x"},
        {"log_level": "\x1b[31mloud"},
        {"log_level": 5},
        {"retry_count": "many"},
        {"retry_count": 10**40},
        {"failed_at": "yesterday"},
        {"enqueued_at": "now", "created_at": [1]},
        {"queue": 5},
        {"jid": 17},
        {"at": "soon"},
    ],
    ids=str,
)
def test_options_in_a_payload_that_make_no_sense(
    worker_process: Start, redis: redis_py.Redis, client: Client, fields: dict[str, Any]
) -> None:
    redis.lpush("queue:default", payload(**{"class": "app.Raise", "args": ["exit"], **fields}))
    client.push("app.Note", "after")
    child = worker_process(APP, "-v", "--drain")
    assert child.wait() == 0
    last_note_is(redis, "after")
    entries = redis.zrange("retry", 0, -1)
    assert len(entries) == 1
    entry = json.loads(entries[0])
    assert entry["error_class"] == "SystemExit"
    assert (entry["queue"], entry["retry_count"]) == ("default", 0)
    assert type(entry["failed_at"]) is int
    assert "\x1b" not in child.output()


def test_a_class_that_nobody_defines_waits(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    jid = client.push("gone.Away", 1, retry=0)
    assert worker_process(APP, "--drain").wait() == 0
    entry = json.loads(redis.zrange("retry", 0, -1)[0])
    assert entry["jid"] == jid
    assert "retry_count" not in entry
    assert "gone.Away" in entry["error_message"]
    assert "fastkiq process" in entry["error_message"]
    assert not redis.zcard("dead")
    assert redis.get("stat:failed") in (None, b"0")


def test_whatever_perform_raises_is_a_failed_job(worker_process: Start, redis: redis_py.Redis, client: Client) -> None:
    kinds = ["exit", "interrupt", "base", "silent", "long", "surrogate", "group"]
    for what in kinds:
        client.push("app.Raise", what)
    client.push("app.Raise", "too", "many", "arguments")
    child = worker_process(APP, "--drain")
    assert child.wait() == 0
    entries = {json.loads(raw)["args"][0]: json.loads(raw) for raw in redis.zrange("retry", 0, -1)}
    assert set(entries) == {*kinds, "too"}
    assert entries["silent"]["error_message"] == "!!! ERROR MESSAGE THREW AN ERROR !!!"
    assert len(entries["long"]["error_message"]) == 10_000
    assert entries["surrogate"]["error_message"] == "a?b"
    assert entries["exit"]["error_class"] == "SystemExit"
    assert entries["too"]["error_class"] == "TypeError"
    assert len(child.output()) < 500_000, "a message of 5 MB does not fill the log"


def test_redis_unreachable_at_start(worker_process: Start) -> None:
    child = worker_process(APP, env={"FASTKIQ_REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"})
    assert child.wait() == 1
    text = child.output()
    assert "--redis embedded" in text
    assert "hunter2" not in text
    assert "Traceback" not in text


def test_a_wrong_password_at_start(worker_process: Start, start_server: Callable[..., Server]) -> None:
    server = start_server("requirepass right")
    for url in (f"redis://:wrong@127.0.0.1:{server.port}/0", f"redis://127.0.0.1:{server.port}/0"):
        child = worker_process(APP, env={"FASTKIQ_REDIS_URL": url})
        assert child.wait() == 1
        assert "Traceback" not in child.output()
        assert "wrong@" not in child.output()
        assert child.output().count("\n") <= 3, child.output()


def test_a_read_only_replica_at_start(
    worker_process: Start, start_server: Callable[..., Server], server: Server
) -> None:
    replica = start_server(f"replicaof 127.0.0.1 {server.port}")
    with replica.client() as client:
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", 20, "the replica")
    child = worker_process(APP, env={"FASTKIQ_REDIS_URL": replica.url})
    assert child.wait() == 1
    assert "Traceback" not in child.output()
    assert "replica" in child.output()


def test_an_outage_is_one_line_and_nothing_is_lost(
    worker_process: Start, redis: redis_py.Redis, redis_url: str, client: Client, proxy: Proxy
) -> None:
    child = worker_process(APP, env={"FASTKIQ_REDIS_URL": proxy.url, "NOTES_URL": redis_url})
    client.push("app.Note", "before")
    last_note_is(redis, "before")
    proxy.refuse()
    proxy.cut()
    client.push("app.Note", "during")
    text = child.wait_for("WARNING", 20)
    proxy.refuse(False)
    last_note_is(redis, "during")
    client.push("app.Note", "after")
    last_note_is(redis, "after")
    assert child.returncode is None
    text = child.output()
    lines = [line for line in text.splitlines() if "fastkiq" in line and ("WARNING" in line or "ERROR" in line)]
    assert len(lines) <= 3, text
    assert child.stop() == 0


def test_out_of_memory_can_still_be_drained(worker_process: Start, start_server: Callable[..., Server]) -> None:
    server = start_server("maxmemory 8mb", "maxmemory-policy noeviction")
    client = Client(server.url)
    client.push_bulk("app.Raise", [["fine"] for _ in range(200)])
    with server.client() as redis:
        redis.config_set("maxmemory", 1)
        child = worker_process(APP, env={"FASTKIQ_REDIS_URL": server.url})
        wait_until(lambda: redis.llen("queue:default") == 0, 20, "the queue to be drained though Redis is full")
        redis.config_set("maxmemory", "100mb")
        assert child.stop() == 0
        assert redis.get("stat:processed") == b"200"


def test_the_worker_survives_being_frozen_and_thawed(
    worker_process: Start, redis: redis_py.Redis, client: Client
) -> None:
    child = worker_process(APP)
    client.push("app.Note", "one")
    last_note_is(redis, "one")
    child.signal(signal.SIGSTOP)
    client.push("app.Note", "two")
    child.signal(signal.SIGCONT)
    last_note_is(redis, "two")
    assert child.stop() == 0
