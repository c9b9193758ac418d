"""Progress: told by a job, seldom written, kept for a time, never at the expense of the job."""

import asyncio
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import fastkiq
from children import Child
from fastkiq import ArgumentError, Config, FastkiqError
from fastkiq import config as configuration
from fastkiq.results import Progress
from servers import Server, wait_until


class Counts(fastkiq.Worker, name="progress.Counts", result_ttl=60):
    def perform(self, *told: Any) -> str:
        for each in told:
            self.progress(*each)
        return self.jid


class Bare(Counts, name="progress.Bare", result_ttl=0):
    pass


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)


def commands(redis: Redis) -> int:
    return int(redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


def test_what_a_job_tells_is_read_and_lives_with_its_result(redis: Redis) -> None:
    result = fastkiq.result(Counts.perform_inline([3, 10, "three"]))
    assert result.progress == Progress(3, 10, "three")
    assert result.progress.fraction == 0.3
    assert (result.status, 50 < redis.ttl(f"fastkiq:result:{result.jid}") <= 60) == ("done", True)


def test_without_a_result_it_lives_for_an_hour(redis: Redis) -> None:
    result = fastkiq.result(Bare.perform_inline([0.5]))
    assert result.progress == Progress(0.5, None, None)
    assert result.progress.fraction is None
    assert (result.status, 3_590 < redis.ttl(f"fastkiq:result:{result.jid}") <= 3_600) == ("unknown", True)


def test_it_is_written_at_the_beginning_seldom_and_at_the_end(redis: Redis) -> None:
    before = commands(redis)
    result = fastkiq.result(Bare.perform_inline(*([number, 5_000] for number in range(5_001))))
    assert result.progress == Progress(5_000, 5_000, None)
    assert 2 <= commands(redis) - before <= 6


def test_functions_and_numbers_of_other_classes() -> None:
    class Step(IntEnum):
        LAST = 7

    @fastkiq.job(name="progress.step")
    def step() -> str:
        fastkiq.progress(Step.LAST, 8, "x" * 1_000)
        job = fastkiq.current_job()
        return job.jid if job else ""

    assert fastkiq.result(step.perform_inline()).progress == Progress(7, 8, "x" * 500)
    with pytest.raises(FastkiqError, match="no job runs here"):
        fastkiq.progress(1)
    with pytest.raises(FastkiqError, match="this Bare runs no job"):
        Bare().progress(1)


@pytest.mark.parametrize("said", [["1"], [True], [1, "2"], [float("nan")], [10**400], [1, 10**400], [1, 2, 3]])
def test_what_is_no_progress_is_refused(said: Any) -> None:
    @fastkiq.job(name="progress.odd")
    def odd() -> None:
        fastkiq.progress(*said)

    with pytest.raises(ArgumentError, match=r"progress: (done|total|note) is a (number|text), not"):
        odd.perform_inline()


@pytest.mark.parametrize("raw", [f"[{10**400},1,null]", f"[1,{10**400},null]", "[true,1,null]", "[1,2]", "{}", "x"])
def test_what_redis_holds_instead_is_no_progress(redis: Redis, raw: str) -> None:
    redis.hset("fastkiq:result:odd", mapping={"status": "running", "progress": raw})
    assert fastkiq.result("odd").progress is None


def test_a_redis_that_is_away_costs_the_job_nothing(
    start_server: Callable[..., Server], config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server()
    config.redis_url = server.url
    config.connect_timeout = 0.2
    server.stop()
    assert len(Bare.perform_inline([1], [2], [3, 3])) == 24
    assert caplog.text.count("cannot tell how far the job is") == 2, "at first and at the end"


def test_threads_and_coroutines_tell_while_they_run(
    worker_process: Callable[..., Child], redis: Redis, tmp_path: Path
) -> None:
    child = worker_process(
        """
        import asyncio, os, time
        import fastkiq

        class Thread(fastkiq.Worker, result_ttl=60):
            def perform(self, path):
                self.progress(1, 4, "a quarter")
                while not os.path.exists(path):
                    time.sleep(0.01)
                return "thread"

        class Loop(fastkiq.Worker, result_ttl=60):
            async def perform(self, path):
                for step in range(4):
                    self.progress(step, 4)
                self.progress(4, 4)
                while not os.path.exists(path):
                    await asyncio.sleep(0.01)
                self.progress(0, 4, "late")
                return "loop"
        """
    )
    go = str(tmp_path / "go")
    push = fastkiq.Client().push
    thread, loop = (fastkiq.result(str(push(f"app.{name}", go, result_ttl=60))) for name in ("Thread", "Loop"))
    wait_until(lambda: thread.refresh().progress == Progress(1, 4, "a quarter"), 10)
    assert thread.status == "running"
    wait_until(lambda: loop.refresh().progress is not None, 10)
    (tmp_path / "go").touch()
    assert [thread.wait(10), loop.wait(10)] == ["thread", "loop"]
    assert thread.progress == Progress(1, 4, "a quarter")
    assert child.stop() == 0
    assert all(redis.ttl(key) > 0 for key in redis.keys("fastkiq:result:*"))


def test_a_late_word_of_a_coroutine_changes_no_result(redis: Redis) -> None:
    class Late(fastkiq.Worker, name="progress.Late", result_ttl=60):
        async def perform(self) -> str:
            self.progress(1, 2)
            return self.jid

    result = fastkiq.result(asyncio.run(Late.aperform_inline()))
    assert (result.status, result.value) == ("done", result.jid)
    assert 50 < redis.ttl(f"fastkiq:result:{result.jid}") <= 60
