"""Results under faults: no job is lost or acknowledged without its result, and no record lives for ever."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

import fastkiq
from children import Child
from fastkiq import Config, JobFailed, ResultNotReady
from fastkiq import config as configuration
from fastkiq.results.state import FIELDS, State, parse
from proxy import Proxy
from servers import Server, wait_until

SOURCE = """
    import asyncio, os, signal, time
    import fastkiq
    from fastkiq.results import run, store

    store.REFUSED = 0.2

    class Waits(fastkiq.Worker, result_ttl=60):
        def perform(self, folder):
            with open(folder + "/runs", "a") as file:
                print(self.jid, file=file)
            while not os.path.exists(folder + "/go"):
                time.sleep(0.01)
            self.progress(1, 1)
            return "x" * 100

    class AWaits(fastkiq.Worker, result_ttl=60):
        async def perform(self, folder):
            with open(folder + "/runs", "a") as file:
                print(self.jid, file=file)
            while not os.path.exists(folder + "/go"):
                await asyncio.sleep(0.01)
            return "x" * 100

    class Fails(fastkiq.Worker, result_ttl=60, retry=0):
        def perform(self, folder):
            while not os.path.exists(folder + "/go"):
                time.sleep(0.01)
            raise ValueError("no luck")

    if "DIE" in os.environ:
        told = run.Record.done

        def die(record, *arguments):
            told(record, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        run.Record.done = die
"""


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)


@pytest.fixture
def immortal(server: Server) -> Iterator[list[bytes]]:
    """Looks all the time for records that would live for ever."""
    found: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        with server.client() as client:
            while not over.wait(0.002):
                keys = list(client.scan_iter("fastkiq:result:*"))
                found.extend(key for key in keys if client.ttl(key) == -1)

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    over.set()
    thread.join()


def push(name: str, folder: Path, **options: Any) -> str:
    jid = fastkiq.Client().push(f"app.{name}", str(folder), **{"result_ttl": 60, **options})
    assert jid is not None
    return jid


def runs(folder: Path) -> list[str]:
    file = folder / "runs"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("name", ["Waits", "AWaits"])
def test_killed_between_result_and_ack_the_job_runs_again(
    worker_process: Callable[..., Child], redis: Redis, tmp_path: Path, immortal: list[bytes], name: str
) -> None:
    child = worker_process(SOURCE, env={"DIE": "1"})
    result = fastkiq.result(push(name, tmp_path))
    (tmp_path / "go").touch()
    assert child.wait() == -signal.SIGKILL
    assert (result.status, result.value) == ("done", "x" * 100)
    assert redis.keys("fastkiq:flight:*"), "not acknowledged"
    successor = worker_process(SOURCE)
    wait_until(lambda: result.refresh().attempts == 2 and result.status == "done", 10)
    assert runs(tmp_path) == [result.jid] * 2
    wait_until(lambda: not redis.keys("fastkiq:flight:*"), 5)
    assert successor.stop() == 0
    assert immortal == []
    assert 0 < redis.ttl(f"fastkiq:result:{result.jid}") <= 60


@pytest.mark.parametrize("name", ["Waits", "AWaits", "Fails"])
def test_a_job_whose_result_redis_cannot_take_now_waits_with_it(
    worker_process: Callable[..., Child], redis: Redis, proxy: Proxy, tmp_path: Path, immortal: list[bytes], name: str
) -> None:
    child = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": proxy.url})
    result = fastkiq.result(push(name, tmp_path, retry=0))
    wait_until(lambda: result.refresh().status == "running", 10)
    proxy.refuse()
    proxy.cut()
    (tmp_path / "go").touch()
    time.sleep(0.5)  # the job has ended; nobody can see that
    assert result.refresh().status == "running"
    assert redis.keys("fastkiq:flight:*")
    proxy.refuse(False)
    if name == "Fails":
        with pytest.raises(JobFailed, match="ValueError: no luck"):
            result.wait(10)
        wait_until(lambda: redis.zcard("dead") == 1, 5)
    else:
        assert result.wait(10) == "x" * 100
        assert (runs(tmp_path), result.attempts) == ([result.jid], 1)
    wait_until(lambda: not redis.keys("fastkiq:flight:*"), 5)
    assert child.stop() == 0
    assert immortal == []


@pytest.mark.parametrize("name", ["Waits", "AWaits"])
def test_a_process_that_stops_while_redis_is_away_loses_no_job(
    worker_process: Callable[..., Child], redis: Redis, proxy: Proxy, tmp_path: Path, immortal: list[bytes], name: str
) -> None:
    child = worker_process(SOURCE, "-t", "0", env={"FASTKIQ_REDIS_URL": proxy.url})
    result = fastkiq.result(push(name, tmp_path))
    wait_until(lambda: result.refresh().status == "running", 10)
    proxy.refuse()
    proxy.cut()
    (tmp_path / "go").touch()
    time.sleep(0.3)
    child.stop()
    assert result.refresh().status == "running"
    proxy.refuse(False)
    successor = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": proxy.url})
    wait_until(lambda: result.refresh().status == "done", 20)
    assert (result.value, result.attempts) == ("x" * 100, 2)
    assert successor.stop() == 0
    assert immortal == []


@pytest.mark.parametrize("fault", ["lose_replies", "reset", "dribble"])
def test_a_bad_line_loses_no_job_and_no_result(
    worker_process: Callable[..., Child], redis: Redis, proxy: Proxy, tmp_path: Path, immortal: list[bytes], fault: str
) -> None:
    child = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": proxy.url})
    child.wait_for("fastkiq")
    (tmp_path / "go").touch()
    results = [fastkiq.result(push("Waits", tmp_path)) for _ in range(5)]
    getattr(proxy, fault)()
    time.sleep(0.3)
    results += [fastkiq.result(push("AWaits", tmp_path)) for _ in range(5)]
    time.sleep(0.5)
    if fault == "reset":
        proxy.reset(0.0)
    else:
        getattr(proxy, fault)(False)
    proxy.cut()
    assert [result.wait(20) for result in results] == ["x" * 100] * 10
    assert set(runs(tmp_path)) == {result.jid for result in results}
    wait_until(lambda: not redis.keys("fastkiq:flight:*"), 10)
    child.stop()
    assert immortal == []


def test_a_redis_that_refuses_makes_the_job_fail_and_its_next_run_tells(
    start_server: Callable[..., Server], worker_process: Callable[..., Child], config: Config, tmp_path: Path
) -> None:
    server = start_server()
    config.redis_url = server.url
    child = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": server.url})
    result = fastkiq.result(push("Waits", tmp_path))
    with server.client() as redis:
        wait_until(lambda: result.refresh().status == "running", 10)
        redis.config_set("min-replicas-to-write", 1)
        (tmp_path / "go").touch()
        child.wait_for("cannot note that the job is retrying")
        redis.config_set("min-replicas-to-write", 0)
        wait_until(lambda: redis.zcard("retry") == 1, 10)
        [(stored, _)] = redis.zscan_iter("retry")
        assert json.loads(stored)["error_class"] == "fastkiq.RedisNoReplicasError"
        redis.zadd("retry", {stored: 0})
        assert result.wait(10) == "x" * 100
        assert result.attempts == 2
        assert child.stop() == 0
        assert all(redis.ttl(key) > 0 for key in redis.keys("fastkiq:result:*"))


@pytest.mark.parametrize("name", ["Waits", "Fails"])
def test_jobs_end_in_a_full_redis_too(
    start_server: Callable[..., Server],
    worker_process: Callable[..., Child],
    config: Config,
    tmp_path: Path,
    name: str,
) -> None:
    server = start_server()
    config.redis_url = server.url
    child = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": server.url})
    result = fastkiq.result(push(name, tmp_path, retry=0))
    with server.client() as redis:
        wait_until(lambda: result.refresh().status == "running", 10)
        redis.config_set("maxmemory", 1)
        with pytest.raises(fastkiq.RedisOutOfMemoryError):
            push(name, tmp_path)
        assert redis.keys("fastkiq:result:*") == [f"fastkiq:result:{result.jid}".encode()]
        (tmp_path / "go").touch()
        wait_until(lambda: result.refresh().status in ("done", "failed"), 10)
        assert result.attempts == 1
        redis.config_set("maxmemory", 0)
        assert child.stop() == 0


def test_an_outage_buffer_takes_jobs_whose_records_begin_later(
    start_server: Callable[..., Server], worker_process: Callable[..., Child], config: Config, tmp_path: Path
) -> None:
    server = start_server()
    config.redis_url = server.url
    config.outage_buffer = 10
    config.connect_timeout = 0.5
    client = fastkiq.Client()
    server.stop()
    jid = str(client.push("app.Waits", str(tmp_path), result_ttl=60))
    assert client.buffered == 1
    server.start()
    assert client.flush_buffer() == 1
    assert fastkiq.result(jid).status == "unknown"
    (tmp_path / "go").touch()
    child = worker_process(SOURCE, env={"FASTKIQ_REDIS_URL": server.url})
    result = fastkiq.result(jid)
    assert result.wait(10) == "x" * 100
    assert result.payload is not None
    assert result.payload["jid"] == jid
    assert child.stop() == 0


def test_what_somebody_else_has_put_under_the_key_is_no_result(redis: Redis) -> None:
    jid = "c" * 24
    redis.set(f"fastkiq:result:{jid}", "mine")
    result = fastkiq.result(jid)
    assert result.status == "unknown"
    with pytest.raises(ResultNotReady):
        _ = result.value
    with pytest.raises(TimeoutError, match=r"nothing is known of job c+ after 0.05 s: does its worker say result_ttl"):
        result.wait(0.05)
    redis.delete(f"fastkiq:result:{jid}")
    redis.hset(f"fastkiq:result:{jid}", mapping={"status": "done", "value": "{no json", "payload": "[1]", "error": "5"})
    assert result.refresh().status == "unknown"
    assert (result.payload, result.error) == (None, None)


@pytest.mark.parametrize("odd", [("set", "mine"), ("hset", "attempts", "many"), ("hset", "status", b"\xff")])
def test_a_run_writes_its_record_over_what_makes_no_sense(
    worker_process: Callable[..., Child], redis: Redis, tmp_path: Path, odd: tuple[Any, ...]
) -> None:
    jid = push("Waits", tmp_path)
    key = f"fastkiq:result:{jid}"
    redis.persist(key)
    redis.delete(key)
    redis.execute_command(odd[0], key, *odd[1:])
    (tmp_path / "go").touch()
    child = worker_process(SOURCE)
    result = fastkiq.result(jid)
    assert wait_until(lambda: result.refresh().status == "done" and result.value, 10) == "x" * 100
    assert (result.attempts, 0 < redis.ttl(key) <= 60) == (1, True)
    assert child.stop() == 0


junk = st.none() | st.binary(max_size=30) | st.integers().map(lambda number: str(number).encode())
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["class_name", "message", "traceback"]), inner)
    ),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())
words = st.sampled_from([b"queued", b"running", b"done", b"failed", b"retrying", b"unknown"])


@given(st.lists(junk | documents | words, min_size=len(FIELDS), max_size=len(FIELDS)))
@settings(max_examples=300, deadline=None)
def test_a_record_of_anything_is_read(values: list[bytes | None]) -> None:
    state = parse(values)
    assert isinstance(state, State)
    assert state.status in ("unknown", "queued", "running", "retrying", "done", "failed")
    assert state.payload is None or isinstance(state.payload, dict)
    assert state.attempts >= 0
    if state.progress is not None and state.progress.fraction is not None:
        assert 0 <= state.progress.fraction <= 1
