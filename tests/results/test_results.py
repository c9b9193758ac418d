"""Results: written at each change of a job's state, by every way a job goes, and never without a time to live."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import fastkiq
from children import Child
from fastkiq import ArgumentError, Config, JobFailed, ResultNotReady, ResultNotStored, api
from fastkiq import config as configuration
from fastkiq.results.run import poisoned
from fastkiq.results.store import change
from servers import wait_until

DAY = 86_400


class Sum(fastkiq.Worker, name="results.Sum", result_ttl=60):
    def perform(self, *numbers: float) -> float:
        return sum(numbers)


class Fails(fastkiq.Worker, name="results.Fails", result_ttl=timedelta(minutes=1)):
    def perform(self) -> None:
        raise ValueError("no luck")


class Asked(fastkiq.Worker, name="results.Asked", result_ttl=0):
    async def perform(self, what: Any) -> Any:
        return what


@fastkiq.job(name="results.plain")
def plain() -> None: ...


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)


def lives(redis: Redis, jid: str | None) -> float:
    """Seconds that the record of the job lives; -1 when for ever, -2 when there is none."""
    return redis.pttl(f"fastkiq:result:{jid}") / 1000


def test_a_record_is_there_when_the_jid_is(redis: Redis) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    jid = Sum.perform_async(1, 2)
    assert jid is not None
    result = fastkiq.result(jid)
    assert (result.jid, result.status, result.attempts, result.progress, result.error) == (jid, "queued", 0, None, None)
    assert result.queued_at is not None
    assert before < result.queued_at < datetime.now(UTC)
    assert result.started_at is None
    assert result.finished_at is None
    assert result.payload is not None
    assert (result.payload["class"], result.payload["args"], result.payload["result_ttl"]) == (
        "results.Sum",
        [1, 2],
        60,
    )
    with pytest.raises(ResultNotReady, match="is queued"):
        _ = result.value
    assert DAY < lives(redis, jid) <= DAY + 60
    assert json.loads(redis.lindex("queue:default", 0) or b"")["result_ttl"] == 60


def test_the_life_of_a_record_covers_the_delay(redis: Redis) -> None:
    assert 3600 + DAY < lives(redis, Sum.perform_in(3600, 1)) <= 3660 + DAY
    assert 7200 + DAY < lives(redis, Sum.perform_at(time.time() + 7200, 1)) <= 7260 + DAY
    assert fastkiq.result(str(Sum.perform_in(3600, 1))).status == "queued"


def test_each_job_of_a_bulk_push_has_its_record(redis: Redis) -> None:
    jids = Sum.perform_bulk([(number, 1) for number in range(2_500)])
    assert len(jids) == len(redis.keys("fastkiq:result:*")) == 2_500
    assert fastkiq.result(jids[2_499]).payload["args"] == [2_499, 1]  # type: ignore[index]
    assert all(redis.ttl(key) > DAY for key in redis.keys("fastkiq:result:*"))


def test_a_bulk_push_that_fails_part_of_the_way_pushes_whole_batches(redis: Redis) -> None:
    with pytest.raises(ArgumentError, match=r"Sum\.perform\(\*numbers\): args\[0\]: object"):
        Sum.perform_bulk([(1,)] * 1_500 + [(object(),), (3,)])
    assert redis.llen("queue:default") == 1_000
    assert all(redis.ttl(key) > DAY for key in redis.keys("fastkiq:result:*"))


def test_no_record_is_kept_unless_asked_for(redis: Redis) -> None:
    jids = [plain.perform_async(), Asked.perform_async(1), Sum.set(result_ttl=None).perform_async(1)]
    assert redis.keys("fastkiq:result:*") == []
    assert fastkiq.result(str(jids[0])).status == "unknown"
    with pytest.raises(ResultNotReady, match="nothing is known"):
        _ = fastkiq.result(str(jids[0])).value
    jid = Asked.set(result_ttl=5).perform_async(1)
    assert DAY < lives(redis, jid) <= DAY + 5


def test_what_cannot_keep_results_says_so_at_the_call() -> None:
    with pytest.raises(ArgumentError, match=r"result_ttl=0"):
        plain.set(result_ttl=60)
    with pytest.raises(ArgumentError, match="result_ttl must be a timedelta or seconds"):
        Sum.set(result_ttl=-1)
    with pytest.raises(ArgumentError, match="no job id"):
        fastkiq.result("a b")


def test_scripts_are_sent_whole_once_only(redis: Redis) -> None:
    def sent(times: int) -> tuple[int, int]:
        redis.config_resetstat()
        for _ in range(times):
            jid = str(Sum.perform_async(1))
            change(fastkiq.client.default(), jid, "start", "run", 60, {"status": "running"})
        assert fastkiq.result(jid).status == "running"
        stats = redis.info("commandstats")
        return tuple(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))

    redis.script_flush()
    assert sent(10) == (2, 20), "two scripts"
    assert sent(10) == (0, 20)
    redis.script_flush()  # as a restart does it
    assert sent(1) == (2, 2)


def test_what_a_script_refuses_is_asked_once(redis: Redis) -> None:
    jid = str(Sum.perform_async(1))
    change(fastkiq.client.default(), jid, "start", "run", 60, {"status": "running"})
    redis.config_resetstat()
    with pytest.raises(fastkiq.RedisError):
        change(fastkiq.client.default(), jid, "start", "run", 10**30, {"status": "running"})
    assert "cmdstat_eval" not in redis.info("commandstats")


def test_middleware_that_stops_a_job_leaves_no_record(redis: Redis, config: Config) -> None:
    def stop(worker: Any, payload: Any) -> Iterator[None]:
        if not payload:
            yield

    config.client_middleware.add(stop)
    assert Sum.perform_async(1) is None
    assert redis.keys("fastkiq:result:*") == []


def test_a_push_that_redis_refuses_leaves_no_record(redis: Redis) -> None:
    redis.set("queue:odd", "no list")
    with pytest.raises(fastkiq.RedisReplyError):
        Sum.set(queue="odd").perform_async(1)
    assert redis.keys("fastkiq:result:*") == []


def test_inline_runs_keep_results_too(redis: Redis) -> None:
    class Told(fastkiq.Worker, name="results.Told", result_ttl=60):
        def perform(self, fails: bool) -> str:
            if fails:
                raise ValueError("no luck")
            return self.jid

    jid = Told.perform_inline(False)
    result = fastkiq.result(jid)
    assert (result.status, result.value, result.attempts) == ("done", jid, 1)
    assert 50 < lives(redis, jid) <= 60
    assert asyncio.run(Asked.set(result_ttl=60).aperform_inline([1])) == [1]
    with pytest.raises(ValueError, match="no luck"):
        Told.perform_inline(True)


def test_an_answer_that_is_no_json_cannot_be_kept(config: Config) -> None:
    class Odd(fastkiq.Worker, name="results.Odd", result_ttl=60):
        def perform(self, large: bool) -> Any:
            return "x" * 2_000 if large else [{"a": object()}]

    with pytest.raises(ResultNotStored, match=r"what Odd\.perform answered .*: value\[0\]\[\"a\"\]: object; results"):
        Odd.perform_inline(False)
    config.max_payload_bytes = 1_024
    with pytest.raises(ResultNotStored, match=r"2,002 bytes are more than max_payload_bytes allows \(1,024\)"):
        Odd.perform_inline(True)


SOURCE = """
    import asyncio, os, time
    import fastkiq

    fastkiq.configure(poll_interval_average=0.1)

    class Sum(fastkiq.Worker, result_ttl=60):
        def perform(self, *numbers):
            return sum(numbers)

    class Fails(fastkiq.Worker, result_ttl=60, retry=1):
        def perform(self):
            try:
                raise ValueError("no luck")
            except ValueError as error:
                raise fastkiq.Retry(in_=0.01) from error

    class Dropped(fastkiq.Worker, result_ttl=60, retry=False):
        def perform(self):
            raise ValueError("no luck")

    class Odd(fastkiq.Worker, result_ttl=60, retry=0):
        async def perform(self):
            return object()

    class Waits(fastkiq.Worker, result_ttl=60):
        async def perform(self, path):
            while not os.path.exists(path):
                await asyncio.sleep(0.01)
            return {"seen": path}

    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    class Nasty(fastkiq.Worker, result_ttl=60, retry=0):
        def perform(self):
            raise Unprintable

    class Snoozes(fastkiq.Worker, result_ttl=60):
        def perform(self):
            raise fastkiq.Snooze(in_=3600)

    class Forks(fastkiq.Worker, result_ttl=60):
        def perform(self):
            if os.fork() == 0:
                return "child"
            time.sleep(0.3)
            return "parent"
"""


def push(redis: Redis, name: str, *args: Any, **options: Any) -> str:
    jid = fastkiq.Client().push(f"app.{name}", *args, **{"result_ttl": 60, **options})
    assert jid is not None
    return jid


def test_a_push_by_name_may_ask_for_what_the_class_does_not_do(worker_process: Callable[..., Child]) -> None:
    child = worker_process(
        "import fastkiq\nclass Says(fastkiq.Worker):\n    def perform(self): print('RAN', flush=True)"
    )
    jid = fastkiq.Client().push("app.Says", result_ttl=60)
    child.wait_for("RAN")
    with pytest.raises(TimeoutError, match=r"it waits in its queue, or its class does not say result_ttl=\.\.\."):
        fastkiq.result(str(jid)).wait(0.05)


def test_threads_and_coroutines_tell_how_their_jobs_end(
    worker_process: Callable[..., Child], redis: Redis, tmp_path: Path
) -> None:
    child = worker_process(SOURCE)
    total = fastkiq.result(push(redis, "Sum", 1, 2))
    assert total.wait(10) == 3
    assert (total.status, total.attempts, total.progress) == ("done", 1, None)
    assert total.queued_at <= total.started_at <= total.finished_at  # type: ignore[operator]
    assert 50 < lives(redis, total.jid) <= 60

    waits = fastkiq.result(push(redis, "Waits", str(tmp_path / "go")))
    wait_until(lambda: waits.refresh().status == "running", 5)
    with pytest.raises(TimeoutError, match=r"was not over within 0\.05 s$"):
        waits.wait(0.05)
    (tmp_path / "go").touch()

    async def wait() -> Any:
        return await asyncio.wait_for(fastkiq.result(waits.jid), 10)

    assert asyncio.run(wait()) == {"seen": str(tmp_path / "go")}

    for name, attempts in (("Fails", 2), ("Dropped", 1)):
        failed = fastkiq.result(push(redis, name, retry={"Fails": 1, "Dropped": False}[name]))
        with pytest.raises(JobFailed, match="has failed with ValueError: no luck") as caught:
            failed.wait(20)
        assert (failed.status, failed.attempts) == ("failed", attempts)
        assert failed.error is not None
        assert failed.error == caught.value.error
        assert 'raise ValueError("no luck")' in failed.error.traceback
        assert 50 < lives(redis, failed.jid) <= 60

    odd = fastkiq.result(push(redis, "Odd", retry=0))
    with pytest.raises(JobFailed, match=r"fastkiq\.ResultNotStored: what Odd\.perform answered cannot be kept"):
        odd.wait(10)

    nasty = fastkiq.result(push(redis, "Nasty", retry=0))
    with pytest.raises(JobFailed, match=r"app\.Unprintable"):
        nasty.wait(10)

    snoozed = fastkiq.result(push(redis, "Snoozes"))
    wait_until(lambda: redis.zcard("schedule"), 5)
    assert (snoozed.status, snoozed.attempts) == ("queued", 1)
    assert lives(redis, snoozed.jid) > 3600 + DAY

    assert fastkiq.result(push(redis, "Forks")).wait(10) == "parent"
    assert child.stop() == 0


def test_a_job_of_a_producer_that_knows_no_results_has_one(worker_process: Callable[..., Child], redis: Redis) -> None:
    payload = {"class": "app.Sum", "jid": "b" * 24, "args": [1, 2], "retry": True, "queue": "default"}
    redis.lpush("queue:default", json.dumps(payload))
    child = worker_process(SOURCE)
    result = fastkiq.result("b" * 24)
    assert result.wait(10) == 3
    assert result.payload == payload
    assert result.queued_at is None
    assert child.stop() == 0


def test_a_dead_job_that_is_run_again_by_hand_comes_right(
    worker_process: Callable[..., Child], redis: Redis, tmp_path: Path
) -> None:
    child = worker_process(
        """
        import os, fastkiq
        class Late(fastkiq.Worker, result_ttl=60, retry=0):
            def perform(self, path):
                with open(path) as file:
                    return file.read()
        """
    )
    late = tmp_path / "late"
    result = fastkiq.result(push(redis, "Late", str(late), retry=0))
    with pytest.raises(JobFailed):
        result.wait(10)
    late.write_text("now")
    [entry] = api.DeadSet().scan()
    entry.retry()
    wait_until(lambda: result.refresh().status == "done", 10)
    assert (result.value, result.error, result.attempts) == ("now", None, 2)
    assert child.stop() == 0


def test_a_job_that_is_put_into_the_dead_set_for_killing_its_processes_has_failed(redis: Redis) -> None:
    result = fastkiq.result(str(Sum.perform_async(1)))
    poisoned(redis.lrange("queue:default", 0, -1)[0], "its process died")
    with pytest.raises(JobFailed, match=r"fastkiq\.PoisonPill: its process died"):
        result.wait(5)
    assert 50 < lives(redis, result.jid) <= 60
    poisoned(b"no json", "")
    poisoned(b'{"class":"results.Sum","jid":[]}', "")
    assert len(redis.keys("fastkiq:result:*")) == 1


def test_of_two_runs_at_once_the_later_one_has_the_word_unless_the_other_is_done(redis: Redis) -> None:
    jid = str(Sum.perform_async(1))
    client, result = fastkiq.Client(), fastkiq.result(jid)
    assert change(client, jid, "start", "old", 60, {"status": "running"}) == 1
    assert change(client, jid, "start", "new", 60, {"status": "running"}) == 1
    assert change(client, jid, "end", "old", 60, {"status": "retrying"}) == -1
    assert change(client, jid, "progress", "old", 60, {"progress": "[1,2,null]"}) == -1
    assert (result.status, result.attempts, result.progress) == ("running", 2, None)
    assert change(client, jid, "done", "old", 60, {"status": "done", "value": "5"}) == 1
    assert change(client, jid, "end", "new", 60, {"status": "failed"}) == -1
    assert result.refresh().value == 5
    assert change(client, jid, "done", "new", 60, {"status": "done", "value": "6"}) == 1
    assert result.refresh().value == 6


def test_middleware_may_ask_for_nonsense(redis: Redis, config: Config) -> None:
    def odd(worker: Any, payload: Any) -> Iterator[None]:
        payload["result_ttl"] = "long"
        yield

    config.client_middleware.add(odd)
    jid = Sum.perform_async(1)
    assert redis.llen("queue:default") == 1
    assert fastkiq.result(str(jid)).status == "unknown"


def test_a_job_given_back_at_the_stop_is_queued_again(worker_process: Callable[..., Child], redis: Redis) -> None:
    child = worker_process(SOURCE, "-t", "0")
    result = fastkiq.result(push(redis, "Waits", "/nowhere/at/all"))
    wait_until(lambda: result.refresh().status == "running", 5)
    assert child.stop() == 0
    assert redis.llen("queue:default") == 1
    assert result.refresh().status == "queued"
