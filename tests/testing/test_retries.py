"""Failing jobs under their retry policy, and what jobs raise to steer themselves."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import fastkiq
from fastkiq import Config
from fastkiq.testing import Jobs
from testing_workers import Flaky, Mail, fetch, note, ran

DAY = timedelta(days=1)


def test_a_failure_waits_for_its_retry(jobs: Jobs) -> None:
    jid = Flaky.perform_async(1)
    assert jobs.drain_all(retries=True) == 1
    [job] = jobs.retries
    assert (job.jid, job.attempt, job.error_class, job.error_message) == (jid, 2, "ValueError", "attempt 1")
    assert job.at is not None
    assert abs(job.at - jobs.now - timedelta(seconds=100)) < timedelta(seconds=5), "retry_in, without jitter"
    assert [job.jid for job in jobs] == [jid]
    assert jobs.scheduled == []
    assert jobs.drain_all(retries=True) == 0
    jobs.travel(101)
    assert jobs.drain_all(retries=True) == 1
    assert (len(jobs.retries), len(jobs.done)) == (0, 1)
    assert ran == [("flaky", 1), ("flaky", 2)]


def test_the_last_failure_ends_in_the_dead_set(jobs: Jobs, config: Config) -> None:
    deaths: list[Any] = []
    errors: list[BaseException] = []
    config.death_handlers.append(lambda job, error: deaths.append((job.jid, str(error))))
    config.error_handlers.append(lambda error, context: errors.append(error))
    jid = Flaky.perform_async(9)
    assert jobs.drain_all(retries=True, until=DAY) == 3
    assert ran == [("flaky", 1), ("flaky", 2), ("flaky", 3), ("exhausted", 3, "ValueError")]
    [dead] = jobs.dead
    assert (dead.jid, dead.error_message, dead.retry_count) == (jid, "attempt 3", 2)
    assert deaths == [(jid, "attempt 3")]
    assert len(errors) == 3
    assert len(jobs) == 0


def test_without_retries_a_waiting_retry_raises_again(jobs: Jobs) -> None:
    Flaky.perform_async(2)
    jobs.drain_all(retries=True)
    jobs.travel(DAY)
    with pytest.raises(ValueError, match="attempt 2"):
        jobs.drain_all()
    assert len(jobs) == 0


@pytest.mark.parametrize("retries", [False, True])
def test_what_a_job_raises_to_steer_itself_never_comes_out(jobs: Jobs, retries: bool) -> None:
    for kind in ("snooze", "retry", "kill", "discard"):
        Flaky.perform_async(1, kind)
    assert jobs.drain_all(retries=retries) == 4
    [snoozed], [retried], [dead], [dropped] = jobs.scheduled, jobs.retries, jobs.dead, jobs.dropped
    assert snoozed.args == [1, "snooze"]
    assert (retried.args, retried.attempt) == ([1, "retry"], 2)
    assert dead.args == [1, "kill"]
    assert dropped.args == [1, "discard"]
    ran.clear()
    assert jobs.drain_all(until=timedelta(seconds=6)) == 1
    assert ran == [("flaky", 2)]


def test_system_exit_is_a_failure_like_others_under_retries(jobs: Jobs) -> None:
    Flaky.perform_async(1, "exit")
    assert jobs.drain_all(retries=True) == 1
    assert [job.error_class for job in jobs.retries] == ["SystemExit"]


def test_no_retry_no_dead_set_another_queue(jobs: Jobs) -> None:
    Flaky.set(retry=False).perform_async(1)
    Flaky.set(retry=0).perform_async(1)
    Flaky.set(retry=0, dead=False).perform_async(1)
    Flaky.set(retry_queue="slow").perform_async(1)
    jobs.drain_all(retries=True)
    assert (len(jobs.dropped), len(jobs.dead), len(jobs.retries)) == (2, 1, 1)
    assert jobs.retries[0].queue == "slow"
    jobs.travel(DAY)
    assert jobs.drain("slow", retries=True) == 1


def test_at_most_once(jobs: Jobs) -> None:
    class Once(fastkiq.Worker, name="testing.Once", ack="start"):
        def perform(self) -> None:
            raise ValueError("once")

    Once.perform_async()
    assert jobs.drain_all(retries=True) == 1
    assert len(jobs.dropped) == 1
    Once.perform_async()
    with pytest.raises(ValueError, match="once"):
        jobs.drain_all()


def test_an_unknown_class_waits_without_losing_an_attempt(jobs: Jobs) -> None:
    fastkiq.Client().push("testing.Gone", 1)
    assert jobs.drain_all(retries=True) == 1
    [job] = jobs.retries
    assert (job.error_class, job.retry_count) == ("fastkiq.UnknownWorker", None)


def test_middleware_sees_the_attempts(jobs: Jobs, config: Config) -> None:
    attempts: list[int] = []

    def watch(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        attempts.append(job.attempt)
        yield

    config.server_middleware.add(watch)
    fetch.set(retry=1).perform_async("u", fails=True)
    assert jobs.drain_all(retries=True, until=DAY) == 2
    assert attempts == [1, 2]
    assert len(jobs.dead) == 1


def test_retries_show_in_assertions(jobs: Jobs) -> None:
    Flaky.perform_async(1)
    Mail.perform_async("ann")
    note.perform_async(1)
    jobs.drain_all(retries=True)
    jobs.assert_enqueued(Flaky, count=1, at=timedelta(seconds=100))
    jobs.assert_not_enqueued(Mail)
