"""Time travel: what is due when, and what `perform_in` counts from."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import fastkiq
from fastkiq import testing
from fastkiq.testing import Jobs
from testing_workers import Endless, Mail, fetch, note, ran

HOUR = timedelta(hours=1)
CLOSE = timedelta(seconds=5)


def test_scheduled_jobs_run_only_when_due(jobs: Jobs) -> None:
    note.perform_in(60, "minute")
    note.perform_in(HOUR, "hour")
    note.perform_async("now")
    assert jobs.drain_all() == 1
    jobs.travel(timedelta(seconds=59))
    assert jobs.drain_all() == 0
    jobs.travel(2)
    assert jobs.drain_all() == 1
    assert jobs.done[-1].enqueued_at is not None
    assert abs(jobs.done[-1].enqueued_at - jobs.now) < CLOSE, "as the scheduler would have written it"
    jobs.travel(to=datetime.now(UTC) + HOUR + CLOSE)
    assert jobs.drain_one() is not None
    assert ran == ["now", "minute", "hour"]


def test_what_is_due_runs_in_the_order_of_its_times(jobs: Jobs) -> None:
    for delay in (30, 10, 20, 10):
        note.perform_in(delay, delay)
    jobs.travel(60)
    note.perform_async("pushed before the scheduler looked")
    jobs.drain_all()
    assert ran == ["pushed before the scheduler looked", 10, 10, 20, 30]


def test_perform_in_counts_from_the_time_of_the_jobs(jobs: Jobs) -> None:
    jobs.travel(timedelta(days=365))
    Mail.perform_in(60, "ann")
    jobs.assert_enqueued(Mail, at=timedelta(seconds=60))
    assert jobs.drain_all() == 0
    jobs.travel(61)
    assert jobs.drain_all() == 1
    with testing.disabled(), pytest.raises(fastkiq.RedisConnectionError):
        Mail.perform_in(60, "ann")


def test_until_passes_from_one_due_job_to_the_next(jobs: Jobs) -> None:
    moments: list[timedelta] = []
    start = jobs.now

    @fastkiq.job(name="testing.hourly")
    def hourly() -> None:
        moments.append(jobs.now - start)
        hourly.perform_in(HOUR)

    hourly.perform_async()
    note.perform_in(HOUR * 100, "never")
    assert jobs.drain_all(until=timedelta(hours=3, minutes=30)) == 4
    assert [round(moment / HOUR, 2) for moment in moments] == [0, 1, 2, 3]
    assert abs(jobs.now - start - timedelta(hours=3, minutes=30)) < CLOSE
    assert len(jobs.scheduled) == 2
    assert jobs.drain("testing.hourly", until=start + timedelta(hours=5, minutes=30)) == 2
    assert ran == []


def test_until_with_coroutines(jobs: Jobs) -> None:
    import asyncio

    fetch.perform_in(HOUR, "u")
    assert asyncio.run(jobs.adrain_all(until=HOUR * 2)) == 1


def test_time_passes_in_one_direction(jobs: Jobs) -> None:
    with pytest.raises(fastkiq.ArgumentError, match="one direction"):
        jobs.travel(to=datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(fastkiq.ArgumentError, match="one direction"):
        jobs.travel(-1)
    words: list[dict[str, Any]] = [{}, {"delta": 1, "to": 2}]
    for word in words:
        with pytest.raises(fastkiq.ArgumentError, match="or to="):
            jobs.travel(**word)
    with pytest.raises(fastkiq.ArgumentError, match="no time zone"):
        jobs.travel(to=datetime(2999, 1, 1))  # noqa: DTZ001 - a mistake on purpose
    with pytest.raises(fastkiq.ArgumentError, match="until is a timedelta"):
        jobs.drain_all(until=5)  # type: ignore[arg-type]
    with pytest.raises(fastkiq.ArgumentError, match="no time zone"):
        jobs.drain_all(until=datetime(2999, 1, 1))  # noqa: DTZ001 - a mistake on purpose


def test_until_the_past_runs_what_is_due(jobs: Jobs) -> None:
    note.perform_async(1)
    before = jobs.now
    assert jobs.drain_all(until=datetime(2001, 1, 1, tzinfo=UTC)) == 1
    assert jobs.now >= before


def test_the_systems_clock_moves_the_jobs_along(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As time-machine and freezegun do it, also when the clock stands still."""
    note.perform_in(HOUR, 1)
    at = jobs.scheduled[0].at
    assert at is not None
    monkeypatch.setattr("time.time", lambda: at.timestamp() + 0.001)
    assert jobs.drain_all() == 1
    note.perform_in(0.1, 2)
    note.perform_in(1e6 / 3, 3)
    assert jobs.drain_all(until=timedelta(days=30)) == 2
    assert jobs.now == at + timedelta(seconds=0.001, days=30)


def test_self_scheduling_with_no_delay_ends_at_the_bound(jobs: Jobs) -> None:
    Endless.perform_async(1.0)
    with pytest.raises(testing.EndlessJobs):
        jobs.drain_all(until=timedelta(days=1), limit=100)
