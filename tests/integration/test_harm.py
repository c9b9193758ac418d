"""What lies in Redis means harm: bombs, giants, a million of something, names that steer terminals, wrong types.

The worker's and the listings' memory stays bounded, whoever is not meant runs on, and what is wrong is said. With
FASTKIQ_LONG=1 the giants are 100 MB and the queues a million, else a fifth and a seventh of that.
"""

import base64
import json
import os
import re
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from fuzz.kit import UNFIT
from readable import kept
from servers import Server, wait_until

Start = Callable[..., Child]
pytestmark = pytest.mark.timeout(120)

APP = """
    import fastkiq
    from fastkiq.client import default

    class Note(fastkiq.Worker):
        def perform(self, word):
            default().core.command("RPUSH", "notes", word)
"""
LISTINGS = ["stats", "queues", "busy", "retries", "scheduled", "dead"]
HOSTILE = "a\x1b[2J\x1b]0;owned\x07\r\nfastkiq: ERROR forged\u202e\x9b31m[red]"
LONG = os.environ.get("FASTKIQ_LONG") == "1"
GIANT = 100_000_000 if LONG else 20_000_000
QUEUES = 1_000_000 if LONG else 150_000


def job(word: str, **fields: Any) -> bytes:
    base = {"class": "app.Note", "args": [word], "jid": "c" * 24, "queue": "default", "retry": True}
    return json.dumps({**base, **fields}).encode()


def noted(redis: redis_py.Redis, count: int) -> None:
    wait_until(lambda: redis.llen("notes") == count, 60, f"{count} notes")


def most_mib(pid: int) -> float:
    """The most memory that a process has held."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


class Listing:
    """One call of the command line: its output, seconds, and the most memory it held."""

    def __init__(self, url: str, *arguments: str) -> None:
        begin = time.monotonic()
        # Measured by the parent that waits for it: GNU time is not everywhere.
        program = (
            "import resource, subprocess, sys\n"
            "code = subprocess.run(sys.argv[1:]).returncode\n"
            "print('\\nMIB', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, code)"
        )
        answer = subprocess.run(
            [fastkiq()[0], "-c", program, *fastkiq(*arguments)],
            env=clean_environment({"FASTKIQ_REDIS_URL": url}),
            capture_output=True,
            timeout=60,
            check=True,
        )
        self.seconds = time.monotonic() - begin
        self.stdout, _, tail = answer.stdout.decode().rpartition("\nMIB ")
        self.mib, self.code = float(tail.split()[0]), int(tail.split()[1])
        self.stderr = answer.stderr.decode()
        assert "Traceback" not in self.stderr, self.stderr
        assert not re.search(f"[{UNFIT}]", self.stdout + self.stderr)


@pytest.fixture
def ask(redis_url: str) -> Callable[..., Listing]:
    return lambda *arguments: Listing(redis_url, *arguments)


def test_zip_bombs_in_backtraces(worker_process: Start, redis: redis_py.Redis, ask: Callable[..., Listing]) -> None:
    bomb = base64.b64encode(zlib.compress(b'["' + b"x" * 300_000_000 + b'"]')).decode()
    for number in range(10):
        entry = job(f"retried {number}", error_backtrace=bomb, error_message="x", retry_count=0, backtrace=True)
        redis.zadd("dead", {entry: number})
        redis.zadd("retry", {entry: 4e9 + number})
    child = worker_process(APP)
    for name in ("stats", "retries", "dead"):
        listing = ask(name)
        assert listing.code == 0, listing.stderr
        assert listing.mib < 150, f"{name}: {listing.mib} MiB"
    for entry in redis.zrange("retry", 0, -1):
        redis.zadd("retry", {entry: 1})
    noted(redis, 10)
    assert most_mib(child.pid) < 150
    assert child.stop() == 0


@pytest.mark.parametrize("where", ["queue", "waiting worker", "retry", "schedule"])
def test_a_giant_among_small_jobs(
    worker_process: Start, redis: redis_py.Redis, ask: Callable[..., Listing], where: str
) -> None:
    giant = job("x" * GIANT)
    child = None
    if where == "waiting worker":
        child = worker_process(APP, "-c", "5")
        child.wait_for("ready")
        wait_until(lambda: redis.info("clients")["blocked_clients"] >= 1, 10, "a blocking move")
    for number in range(20):
        redis.lpush("queue:default", job(f"before {number}"))
    if where in ("retry", "schedule"):
        redis.zadd(where, {giant: 1})
    else:
        redis.lpush("queue:default", giant)
    for number in range(20):
        redis.lpush("queue:default", job(f"after {number}"))
    child = child or worker_process(APP, "-c", "5")
    noted(redis, 40)
    wait_until(lambda: redis.zcard("dead") == 1, 60, "the giant in the dead set")
    child.wait_for(f"{len(giant)}", 30)
    wait_until(lambda: not redis.keys("fastkiq:flight*"), 10, "empty flights")
    assert redis.zrange("dead", 0, 0) == [giant], "byte for byte"
    # What Redis hands over passes through: the buffer that it arrives in and the job, or the job as bytes and as text.
    assert most_mib(child.pid) < 3 * GIANT / 2**20 + 60
    assert child.stop() == 0
    assert "more than the limit" in child.output()
    listing = ask("dead")
    assert f"its {len(giant):,} bytes are too many to be shown" in listing.stdout
    assert listing.mib < 150


def test_giants_in_every_place_are_not_read_by_listings(redis: redis_py.Redis, ask: Callable[..., Listing]) -> None:
    giants = [f"{number}".encode() + b"x" * 50_000_000 for number in range(4)]
    for key in ("retry", "schedule", "dead"):
        redis.zadd(key, {giants[0]: 1, job("small"): 2, giants[1]: 3})
    redis.sadd("queues", "default", "other")
    redis.rpush("queue:default", giants[0])
    redis.sadd("processes", "evil", "other")
    redis.hset("evil", mapping={"info": giants[0], "busy": giants[1]})
    redis.hset("other", mapping={"info": '{"queues":["q"]}', "busy": "1"})
    redis.hset(
        "other:work", mapping={"t1": giants[0], "t2": json.dumps({"queue": "q", "payload": job("runs").decode()})}
    )
    for name in LISTINGS:
        listing = ask(name)
        assert listing.code == 0, listing.stderr
        assert listing.mib < 150, f"{name}: {listing.mib} MiB"
        assert listing.seconds < 10
    assert [row["class"] for row in json.loads(ask("dead", "--json").stdout)["jobs"]] == ["", "app.Note", ""]
    assert "app.Note" in ask("busy").stdout


def test_a_million_queues(worker_process: Start, redis: redis_py.Redis, ask: Callable[..., Listing]) -> None:
    for start in range(0, QUEUES, 50_000):
        names = [f"q{number}" for number in range(start, start + 50_000)]
        redis.sadd("queues", *names)
        redis.sadd("paused", *names)
        redis.sadd("processes", *names)
    redis.set("process_cleanup", "1")  # or the worker would clean up before they are listed
    redis.lpush("queue:default", job("runs"))
    child = worker_process(APP)
    noted(redis, 1)
    for name in ("stats", "queues", "busy"):
        for form in ([], ["--json"]):
            listing = ask(name, *form)
            assert listing.code == 0, listing.stderr
            assert listing.seconds < 15, f"{name}: {listing.seconds} s"
            assert listing.mib < 150, f"{name}: {listing.mib} MiB"
            assert "only the first" in listing.stderr
            assert f"of {QUEUES:,}"[:-1] in listing.stderr
    assert len(json.loads(ask("queues", "--json", "-n", "7").stdout)) == 7
    redis.config_resetstat()
    redis.lpush("queue:default", job("runs on"))
    noted(redis, 2)
    assert "cmdstat_smembers" not in redis.info("commandstats") or most_mib(child.pid) < 100
    redis.delete("process_cleanup")
    wait_until(lambda: redis.scard("processes") == 1, 60, "the worker to clean up")
    assert most_mib(child.pid) < 100
    assert child.stop() == 0


def test_names_that_steer_a_terminal(worker_process: Start, redis: redis_py.Redis, ask: Callable[..., Listing]) -> None:
    redis.sadd("queues", HOSTILE, "default")
    redis.lpush(f"queue:{HOSTILE}", job("x"))
    fields = {"class": HOSTILE, "jid": HOSTILE, "error_class": HOSTILE, "error_message": HOSTILE, "tags": [HOSTILE]}
    redis.zadd("dead", {job("dead", **fields): 1})
    redis.zadd("retry", {job("retry", **{**fields, "queue": HOSTILE}): 1, job("x", queue=5, jid=HOSTILE): 2})
    redis.zadd("schedule", {HOSTILE: 1, job("y", **{**fields, "queue": "default"}): 2})
    redis.lpush(
        "queue:default", job("x", **fields), f'{{"{HOSTILE}":1'.encode(), job("x", **{"class": 5, "jid": HOSTILE})
    )
    redis.lpush(
        "queue:default",
        json.dumps({HOSTILE: 1}).encode()[:-1] + json.dumps({HOSTILE: 2}).encode().replace(b"{", b",", 1),
    )
    redis.zadd("fastkiq:alive", {HOSTILE: 1})
    redis.hset(f"fastkiq:process:{HOSTILE}", "queues", HOSTILE)
    redis.sadd("processes", HOSTILE)
    redis.hset(HOSTILE, mapping={"info": json.dumps({"tag": HOSTILE, "queues": [HOSTILE]}), "busy": HOSTILE})
    redis.hset(
        f"{HOSTILE}:work", mapping={HOSTILE: json.dumps({"queue": HOSTILE, "payload": job("x", **fields).decode()})}
    )
    redis.lpush("queue:default", job("runs"))
    child = worker_process(APP, "-v", "-c", "2")
    noted(redis, 1)
    wait_until(lambda: redis.zcard("schedule") == 0, 15, "the schedule")
    identity = next(name for name in redis.smembers("processes") if name != HOSTILE.encode())
    redis.lpush(f"{identity.decode()}-signals", "TTIN", HOSTILE)
    for name in LISTINGS:
        for form in ([], ["--json"]):
            assert ask(name, *form).code == 0
    child.wait_for("unknown signal", 15)
    assert child.stop() == 0
    text = child.output()
    assert not re.search(f"[{UNFIT}]", text.replace("\r\n", "\n")), text
    assert not [line for line in text.splitlines() if line.startswith("fastkiq: ERROR forged")]


def test_listings_say_which_key_is_of_a_wrong_type(redis: redis_py.Redis, ask: Callable[..., Listing]) -> None:
    for key in ("queues", "processes", "retry", "schedule", "dead", "paused"):
        redis.set(key, "x")
    redis.lpush("stat:processed", "x")
    for name in LISTINGS:
        for form in ([], ["--json"]):
            listing = ask(name, *form)
            assert listing.code == 0, listing.stderr
            key = {"busy": "processes", "stats": "retry", "retries": "retry", "scheduled": "schedule"}.get(name, name)
            assert f"{key} holds something else than it should" in listing.stderr
    redis.delete("queues", "processes", "paused")
    redis.sadd("queues", "good", "bad")
    redis.set("queue:bad", "x")
    redis.lpush("queue:good", job("x"))
    redis.sadd("processes", "queue:good")
    assert [row["queue"] for row in json.loads(ask("queues", "--json").stdout)] == ["good"]
    assert "queue:bad is no list" in ask("queues").stderr
    assert json.loads(ask("stats", "--json").stdout)["enqueued"] == 1
    assert json.loads(ask("busy", "--json").stdout) == {"processes": [], "work": []}


WRONG = [
    "retry",
    "schedule",
    "dead",
    "paused",
    "queues",
    "processes",
    "queue:second",
    "stat:processed",
    "fastkiq:suspects",
]


@pytest.mark.parametrize("key", [*WRONG, "fastkiq:tombs"])
def test_a_key_of_a_wrong_type_stops_nobody_else(worker_process: Start, redis: redis_py.Redis, key: str) -> None:
    """Jobs of other keys run on; the worker says what is wrong, and goes on when it has been mended."""
    if key == "stat:processed":
        redis.lpush(key, "x")
    else:
        redis.set(key, "x")
    child = worker_process(APP, "-q", "second", "-q", "default")
    for other in {"retry", "schedule"} - {key}:
        redis.zadd(other, {job(other): 1})
    redis.lpush("queue:default", job("runs"), b"no job")
    if key in ("paused", "fastkiq:suspects"):
        time.sleep(2)  # nothing may be claimed past a pause that cannot be read, nor past marks
    else:
        noted(redis, 3 if key not in ("retry", "schedule") else 2)
    assert child.returncode is None, child.output()
    if key not in ("stat:processed", "queues", "processes"):
        child.wait_for(lambda text: "WRONGTYPE" in text or "wrong kind" in text or key == "queue:second", 20)
    redis.delete(key)
    redis.lpush("queue:second", job("after"))
    for set_name in ("retry", "schedule"):
        redis.zadd(set_name, {job(f"{set_name} after"): 1})
    expected = {b"after", b"retry after", b"schedule after", b"runs"}
    wait_until(lambda: expected <= set(redis.lrange("notes", 0, -1)), 40, "all that came after")
    wait_until(lambda: [kept(entry) for entry in redis.zrange("dead", 0, -1)] == [b"no job"], 20, "the bad one, dead")
    wait_until(lambda: not redis.keys("fastkiq:flight*"), 10, "empty flights")
    assert child.stop() == 0
    assert "Traceback" not in child.output()


def test_events_that_come_faster_than_they_are_told_are_bounded(worker_process: Start, redis: redis_py.Redis) -> None:
    """Four hundred payloads of a megabyte that are no jobs, before a handler that takes its time."""
    slow = APP + (
        "\n    import time\n    fastkiq.configure(max_payload_bytes=2048)"
        ".error_handlers.append(lambda error, context: time.sleep(0.02))\n"
    )
    for number in range(400):
        redis.lpush("queue:default", b"%d" % number + b"x" * 1_000_000)
    redis.lpush("queue:default", job("runs"))
    child = worker_process(slow, "-c", "2")
    noted(redis, 1)
    wait_until(lambda: redis.zcard("dead") == 400, 60, "all in the dead set")
    assert most_mib(child.pid) < 250, most_mib(child.pid)
    child.close()


ANNOTATIONS = "eval(annotation, self._module, dict(names))"
"""In `typed/hints.py`: annotations in the program's own source, as `typing.get_type_hints` reads them."""


def test_nothing_is_unpickled_or_evaluated() -> None:
    sources = Path(fastkiq.__code__.co_filename).parent.parent / "python" / "fastkiq"
    forbidden = re.compile(
        r"\b(pickle|marshal|shelve|dill|cloudpickle)\b|\byaml\.(load|unsafe_load|full_load)\b|\b(eval|exec)\("
    )
    for folder, _, files in os.walk(sources):
        for file in files:
            if file.endswith(".py"):
                text = Path(folder, file).read_text("utf-8")
                code = re.sub(r"#.*", "", text).replace(ANNOTATIONS, "")
                assert not forbidden.search(code), (file, forbidden.search(code))


def test_a_giant_that_basic_fetch_took(worker_process: Start, redis: redis_py.Redis, server: Server) -> None:
    giant = job("x" * 20_000_000)
    redis.lpush("queue:default", giant, job("after"))
    child = worker_process(APP, "--fetch", "basic")
    noted(redis, 1)
    wait_until(lambda: redis.zrange("dead", 0, -1) == [giant], 20, "the giant in the dead set")
    assert child.stop() == 0
