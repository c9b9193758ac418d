"""Running what is kept: order, choice, errors, coroutines, middleware, bounds."""

import asyncio
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

import fastkiq
from fastkiq import Config, context, testing
from fastkiq.testing import EndlessJobs, Jobs
from testing_workers import Chain, Endless, Flaky, Mail, fetch, note, ran


def test_drain_runs_what_jobs_enqueue_too_in_order(jobs: Jobs) -> None:
    Chain.perform_async(3)
    assert jobs.drain_all() == 8
    assert [depth for _, depth in ran] == [3, 0, 1, 2, 0, 0, 1, 0]
    assert len(jobs) == 0
    assert [job.args[0] for job in jobs.done] == [depth for _, depth in ran]
    assert jobs.drain_all() == 0


def test_drain_of_a_class_or_a_queue_leaves_the_others(jobs: Jobs) -> None:
    Mail.perform_async("a")
    note.perform_async("b")
    fetch.perform_async("c")
    Mail.set(queue="slow").perform_async("d")
    Chain.perform_async(1)
    assert jobs.drain(Chain) == 2
    assert jobs.drain("slow") == 1
    assert jobs.drain("Old::Mail") == 1
    assert jobs.drain(fetch) == 1
    assert jobs.drain("nowhere") == 0
    assert [job.args for job in jobs] == [["b"]]
    assert ran == [("chain", 1), ("chain", 0), ("mail", "d", None, 1), ("mail", "a", None, 1), ("fetch", "c")]


def test_drain_one_runs_the_next(jobs: Jobs) -> None:
    first = note.perform_async(1)
    Mail.perform_async("ann")
    note.perform_async(2)
    done = jobs.drain_one()
    assert done is not None
    assert done.jid == first
    assert jobs.drain_one(Mail) is not None
    assert ran == [1, ("mail", "ann", None, 1)]
    assert jobs.drain_one() is not None
    assert jobs.drain_one() is None


def test_an_error_comes_out_with_its_own_traceback(jobs: Jobs) -> None:
    note.perform_async(1)
    Flaky.perform_async(1)
    note.perform_async(2)
    with pytest.raises(ValueError, match="attempt 1") as caught:
        jobs.drain_all()
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "perform"
    assert frames[-1].filename.endswith("testing_workers.py")
    assert caught.value.__context__ is None
    assert ran == [1, ("flaky", 1)]
    assert [job.args for job in jobs] == [[2]], "the failed one is gone, as with Sidekiq::Testing"
    assert jobs.drain_all() == 1
    assert len(jobs.done) == 2
    assert jobs.dead == jobs.dropped == []


@pytest.mark.parametrize(("kind", "error"), [("exit", SystemExit), ("interrupt", KeyboardInterrupt)])
def test_base_exceptions_come_out(jobs: Jobs, kind: str, error: type[BaseException]) -> None:
    Flaky.perform_async(1, kind)
    with pytest.raises(error):
        jobs.drain_all()
    assert context.current.get() is None


def test_retries_do_not_hide_what_ends_a_test(jobs: Jobs, config: Config) -> None:
    def judge(worker: Any, job: Any) -> Iterator[None]:
        if job.class_name == "testing.note":
            pytest.fail("called")
        yield

    Flaky.perform_async(1, "interrupt")
    with pytest.raises(KeyboardInterrupt):
        jobs.drain_all(retries=True)
    config.server_middleware.add(judge)
    note.perform_async(1)
    with pytest.raises(pytest.fail.Exception):
        jobs.drain_all(retries=True)


def test_jobs_that_enqueue_themselves_for_ever(jobs: Jobs) -> None:
    Endless.perform_async()
    with pytest.raises(EndlessJobs, match=r"more than 50 jobs .*testing\.Endless \(51\).*limit="):
        jobs.drain_all(limit=50)
    assert len(jobs) == 1, "the one that was too many still waits"
    with pytest.raises(EndlessJobs, match="more than 10,000"):
        jobs.drain_all()
    jobs.clear()
    Flaky.perform_async(10**6, "snooze")
    with pytest.raises(EndlessJobs):
        jobs.drain_all(until=timedelta(days=365), limit=200)


def test_the_bound_counts_only_what_came_in_meanwhile(jobs: Jobs) -> None:
    note.perform_bulk((number,) for number in range(500))
    assert jobs.drain_all(limit=0) == 500


def test_what_jobs_enqueue_is_kept_after_the_block_too() -> None:
    with testing.fake() as jobs:
        Chain.perform_async(2)
    assert jobs.drain_one() is not None
    assert len(jobs) == 2
    assert jobs.drain_all() == 3


def test_a_drain_inside_of_another_mode_keeps_what_jobs_enqueue(jobs: Jobs) -> None:
    Chain.perform_async(2)
    with testing.inline():
        assert jobs.drain_all() == 4
    with testing.fake() as inner:
        Chain.perform_async(1)
    assert inner.drain_all() == 2
    assert len(jobs) == 0


def test_the_job_knows_itself_and_server_middleware_runs(jobs: Jobs, config: Config) -> None:
    seen: list[Any] = []

    def watch(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        if job.args == ["skip"]:
            return
        current = fastkiq.current_job()
        assert current is not None
        seen.append((type(worker).__name__, job.jid == worker.jid == current.jid, job.queue, job.attempt))
        yield

    config.server_middleware.add(watch)
    Mail.perform_async("ann")
    fetch.perform_async("u")
    note.perform_async("skip")
    assert jobs.drain_all() == 3
    assert seen == [("Mail", True, "mail", 1), ("fetch", True, "web", 1)]
    assert ran == [("mail", "ann", None, 1), ("fetch", "u")]
    assert len(jobs.done) == 3, "what middleware skips counts as done"
    assert fastkiq.current_job() is None


def test_arguments_went_through_json(jobs: Jobs) -> None:
    data = [1, [2.5, None], {"a": [True]}]
    note.perform_async(data)
    jobs.drain_all()
    assert ran == [data]
    assert ran[0] is not data


def test_a_job_that_no_longer_fits_perform_fails_as_in_production(jobs: Jobs) -> None:
    fastkiq.Client().push("testing.Gone", 1)
    with pytest.raises(fastkiq.UnknownWorker, match=r"no loaded module defines testing\.Gone"):
        jobs.drain_all()

    class Late(fastkiq.Worker, name="testing.Late"):
        def perform(self, one: int, two: int) -> None: ...

    with testing.fake() as inner:
        testing.jobs()._shelf.take(
            [{"retry": True, "queue": "default", "class": "testing.Late", "args": [1]}], lambda each: []
        )
        with pytest.raises(TypeError, match="two"):
            inner.drain_all()


def test_code_that_nobody_runs_is_refused(jobs: Jobs) -> None:
    def wrapper() -> Any:
        return fetch("u")

    @fastkiq.job(name="testing.unrun")
    def unrun() -> Any:
        return wrapper()

    unrun.perform_async()
    with pytest.raises(TypeError, match="nobody runs"):
        jobs.drain_all()


def test_coroutines_run_in_plain_and_in_asynchronous_tests(jobs: Jobs) -> None:
    fetch.perform_async("a")
    assert jobs.drain_all() == 1

    async def test() -> None:
        await fetch.aperform_async("b")
        note.perform_async("c")
        fetch.perform_async("d")
        with pytest.raises(fastkiq.FastkiqError, match="adrain"):
            jobs.drain_all()
        assert [job.args for job in jobs] == [["b"], ["c"], ["d"]], "it is still there"
        one = await jobs.adrain_one()
        assert one is not None
        assert one.args == ["b"]
        assert await jobs.adrain(note) == 1
        assert await jobs.adrain_all() == 1
        fetch.perform_async("e", fails=True)
        with pytest.raises(OSError, match="e"):
            await jobs.adrain_all()
        fetch.perform_async("f", fails=True)
        assert await jobs.adrain_all(retries=True) == 1
        assert len(jobs.retries) == 1

    asyncio.run(test())
    assert ran == [("fetch", "a"), ("fetch", "b"), "c", ("fetch", "d"), ("fetch", "e"), ("fetch", "f")]


def test_a_cancelled_drain_is_cancelled(jobs: Jobs) -> None:
    started = asyncio.Event()

    @fastkiq.job(name="testing.hang")
    async def hang() -> None:
        started.set()
        await asyncio.sleep(60)

    async def test() -> None:
        hang.perform_async()
        drain = asyncio.create_task(jobs.adrain_all(retries=True))
        await started.wait()
        drain.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drain

    asyncio.run(test())


def test_context_variables_end_with_the_job(jobs: Jobs) -> None:
    from contextvars import ContextVar

    variable: ContextVar[int] = ContextVar("variable", default=0)

    @fastkiq.job(name="testing.sets")
    def sets() -> None:
        assert variable.get() == 0
        variable.set(1)

    @fastkiq.job(name="testing.asets")
    async def asets() -> None:
        sets()

    sets.perform_bulk([(), ()])
    asets.perform_bulk([(), ()])
    assert jobs.drain_all() == 4
    asets.perform_bulk([(), ()])
    assert asyncio.run(jobs.adrain_all()) == 2
    assert variable.get() == 0


def test_two_threads_may_drain_at_once(config: Config) -> None:
    with testing.fake(everywhere=True) as jobs:
        note.perform_bulk((number,) for number in range(400))
        threads = [Thread(target=jobs.drain_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ran) == list(range(400))
    assert len(jobs.done) == 400


def test_only_the_first_end_of_a_run_counts(jobs: Jobs) -> None:
    note.perform_async(1)
    [kept] = jobs._shelf.waiting()
    assert not kept.done(), "it does not run"
    kept.fate = "runs"
    assert kept.retry(10, {"retry_count": 0})
    assert not kept.kill({})
    assert (kept.fate, kept.job.retry_count) == ("retries", 0)


def test_a_job_may_clear_or_drain(jobs: Jobs) -> None:
    @fastkiq.job(name="testing.clears")
    def clears() -> None:
        testing.jobs().clear()

    @fastkiq.job(name="testing.drains")
    def drains() -> None:
        assert testing.jobs().drain_all() == 1

    drains.perform_async()
    note.perform_async(1)
    assert jobs.drain_all() == 1
    clears.perform_async()
    note.perform_async(2)
    assert jobs.drain_all() == 1
    assert ran == [1]


def test_a_job_that_forks_goes_on_in_the_parent_only(jobs: Jobs) -> None:
    pids: list[int] = []

    @fastkiq.job(name="testing.forks")
    def forks() -> None:
        pids.append(os.fork())

    forks.perform_async()
    assert jobs.drain_all() == 1
    assert pids[0] > 0
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0


def test_what_a_job_raised_is_not_held_on_to(jobs: Jobs) -> None:
    Flaky.perform_async(1)
    try:
        jobs.drain_all()
    except ValueError as error:
        caught = error
    count = sys.getrefcount(caught)
    assert count <= 3
