"""`fastkiq_redis` and `fastkiq_worker`: a real server, emptied for each test, and real workers beside it."""

from collections.abc import Callable
from threading import Event, get_ident
from typing import Any

import pytest

import fastkiq
from children import Child
from fastkiq import Config, testing
from fastkiq.testing import RealWorker, modes
from testing_workers import Chain, Flaky, Mail, fetch, note, ran


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_begins_with_an_empty_server(fastkiq_redis: str, config: Config, time: int) -> None:
    core = fastkiq.client.default().core
    assert core.command("DBSIZE") == 0
    assert config.redis_url == fastkiq_redis
    assert Mail.perform_async("ann") is not None
    assert core.command("LLEN", "queue:mail") == 1
    config.redis_url = "redis://127.0.0.1:1"
    Mail.perform_async("bob")
    assert core.command("LLEN", "queue:mail") == 2, "whatever the program configures meanwhile"


def test_workers_run_what_jobs_enqueue_too(fastkiq_worker: RealWorker) -> None:
    Chain.perform_async(3)
    fetch.perform_async("u")
    Mail.perform_in(2, "ann")
    assert fastkiq_worker.drain() == 9
    assert fastkiq_worker.drain(within=10) == 10
    assert ("mail", "ann", None, 1) in ran
    assert fastkiq_worker.drain() == 10


def test_errors_come_out_of_drain(fastkiq_worker: RealWorker, config: Config) -> None:
    Flaky.set(retry=False).perform_async(1)
    with pytest.raises(ValueError, match="attempt 1"):
        fastkiq_worker.drain()
    fastkiq_worker.drain()
    Flaky.perform_async(1)
    fastkiq_worker.drain(raises=False)
    assert [str(error) for error in fastkiq_worker.errors] == ["attempt 1"]
    assert fastkiq.client.default().core.command("ZCARD", "retry") == 1


def test_wait_and_timeouts(fastkiq_worker: RealWorker) -> None:
    free = Event()

    @fastkiq.job(name="testing.waits")
    def waits() -> None:
        ran.append(get_ident())
        free.wait(10)

    waits.perform_async()
    [thread] = fastkiq_worker.wait(lambda: ran)
    assert thread != get_ident()
    with pytest.raises(TimeoutError, match="1 busy"):
        fastkiq_worker.drain(timeout=0.3)
    with pytest.raises(TimeoutError, match="not within"):
        fastkiq_worker.wait(lambda: False, timeout=0.1)
    free.set()
    assert fastkiq_worker.drain() == 1


def test_a_queue_that_nobody_serves_is_told(fastkiq_worker: RealWorker) -> None:
    note.set(queue="elsewhere").perform_async(1)
    with pytest.raises(fastkiq.FastkiqError, match=r"'elsewhere'.*start\(queues"):
        fastkiq_worker.drain()
    fastkiq_worker.stop()
    fastkiq_worker.start(queues=["elsewhere"], concurrency=1)
    with pytest.raises(fastkiq.FastkiqError, match="run already"):
        fastkiq_worker.start()
    assert fastkiq_worker.drain() == 1


def test_other_modes_and_settings_are_back_afterwards(request: pytest.FixtureRequest, config: Config) -> None:
    before: dict[str, Any] = dict(config._values)
    with testing.fake(everywhere=True) as jobs:
        worker: RealWorker = request.getfixturevalue("fastkiq_worker")
        note.perform_async(1)
        assert worker.drain() == 1
        assert len(jobs) == 0
        worker.stop()
        assert config.concurrency == before.get("concurrency", (0, "", 25))[2]
        assert config.error_handlers == []
        assert len(modes.opened()) == 2


def test_recurring_jobs_come_only_when_they_are_let(fastkiq_worker: RealWorker, fastkiq_redis: str) -> None:
    ticks: list[Any] = []

    class Tick(fastkiq.Worker, cron="* * * * * *", name="real.Tick"):
        def perform(self) -> None:
            ticks.append(self.tick)

    core = fastkiq.client.default().core
    Mail.perform_async("ann")
    assert fastkiq_worker.drain() == 1
    assert core.command("HKEYS", "fastkiq:cron") == []
    fastkiq_worker.stop()
    fastkiq_worker.start(recurring=True)
    assert fastkiq_worker.wait(lambda: ticks)[0] is not None


def test_a_worker_process_says_that_a_mode_is_on(worker_process: Callable[..., Child]) -> None:
    """Left on by mistake, in a module that both the tests and the workers load."""
    child = worker_process(
        """
        import fastkiq.testing
        fastkiq.testing.set_mode("fake")
        class Plain(fastkiq.Worker):
            def perform(self) -> None: ...
        """
    )
    assert "a mode of fastkiq.testing is on in this process" in child.wait_for("ready:")
    assert child.stop() == 0


def test_what_runs_after_the_workers_have_ended_is_not_interrupted(fastkiq_worker: RealWorker) -> None:
    fastkiq_worker.stop()
    assert not Mail().interrupted
