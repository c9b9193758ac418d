"""Django's Tasks on fastkiq: enqueued here, run by real workers, and their results."""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from redis import Redis

Work = Callable[..., None]


def queued(redis: Redis, queue: str = "default") -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in redis.lrange(f"queue:{queue}", 0, -1)][::-1]


def test_a_task_is_a_job_of_its_own_name(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label

    result = label.enqueue("ann", note="a book")
    [job] = queued(redis)
    assert (job["class"], job["jid"], job["args"]) == (
        "depot.parcels.tasks.label",
        result.id,
        [["ann"], {"note": "a book"}],
    )
    assert job["retry"] == 0
    assert result.status == "READY"
    assert (result.args, result.kwargs, result.attempts) == (["ann"], {"note": "a book"}, 0)


def test_from_ready_to_successful(depot: ModuleType, work: Work) -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import label

    result = label.enqueue("ann")
    assert label.get_result(result.id) == result
    work()
    result.refresh()
    assert result.status == "SUCCESSFUL"
    assert result.return_value == Parcel.objects.get().pk
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at or result.last_attempted_at - result.started_at < timedelta(
        seconds=1
    )
    assert len(result.worker_ids) == 1
    assert result.errors == []
    assert result.is_finished


def test_a_coroutine_runs_on_the_event_loop(depot: ModuleType, work: Work) -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import alabel

    async def enqueue() -> Any:
        return await alabel.aenqueue("bob")

    result = asyncio.run(enqueue())
    work()
    asyncio.run(result.arefresh())
    assert result.return_value == {"pk": Parcel.objects.get(note="async").pk, "thread": "fastkiq-async"}
    assert result.attempts == 1


@pytest.mark.parametrize("name", ["attempt", "aattempt"])
def test_retries_by_option_and_their_errors(depot: ModuleType, work: Work, name: str, monkeypatch: Any) -> None:
    from depot.parcels import tasks

    task = getattr(tasks, name)
    again = task.using(backend="stubborn").enqueue(1)
    once = task.enqueue(1)
    monkeypatch.setattr("fastkiq.policy.backoff", lambda count: 0.0)
    monkeypatch.setattr("fastkiq.policy.jitter_bound", lambda count: 1)
    work()
    again.refresh()
    assert again.status == "SUCCESSFUL"
    assert again.return_value == [2, "RUNNING", 1]
    assert (again.attempts, len(again.errors)) == (2, 1)
    assert again.errors[0].exception_class is ValueError
    assert again.errors[0].traceback.rstrip().splitlines()[-1].startswith("ValueError: attempt 1")
    assert again.started_at < again.last_attempted_at
    once.refresh()
    assert once.status == "FAILED"
    assert (once.attempts, len(once.errors)) == (1, 1)
    with pytest.raises(ValueError, match="Task failed"):
        _ = once.return_value


def test_the_error_of_a_retry_is_its_cause(depot: ModuleType, work: Work) -> None:
    from depot.parcels.tasks import refused

    result = refused.using(retry=5).enqueue()
    work()
    result.refresh()
    assert result.status == "READY"
    assert result.errors[0].exception_class is TimeoutError


def test_between_two_tries_it_is_ready_and_one_that_failed_lies_in_dead(
    depot: ModuleType, work: Work, redis: Redis
) -> None:
    from depot.parcels.tasks import attempt

    waiting = attempt.using(retry=5).enqueue(9)
    dead = attempt.enqueue(9)
    work()
    waiting.refresh()
    assert (waiting.status, waiting.attempts, waiting.finished_at) == ("READY", 1, None)
    assert redis.zcard("retry") == 1
    dead.refresh()
    assert dead.status == "FAILED"
    assert json.loads(redis.zrange("dead", 0, -1)[0])["jid"] == dead.id


def test_per_task_options_come_before_those_of_the_backend(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label

    label.using(backend="stubborn").enqueue("a")
    label.using(backend="stubborn", retry=7, tags=["mine"]).enqueue("b")
    label.using(backend="stubborn", retry_for=timedelta(hours=1)).enqueue("c")
    jobs = queued(redis)
    assert [(job["retry"], job.get("retry_for"), job["tags"]) for job in jobs] == [
        (2, None, ["stubborn"]),
        (7, None, ["mine"]),
        (True, 3600, ["stubborn"]),
    ]


def test_an_option_that_makes_no_sense_is_refused(depot: ModuleType) -> None:
    from depot.parcels.tasks import label

    from fastkiq.contrib.django.compat import InvalidTask

    with pytest.raises(InvalidTask, match="retry must be True, False or a number"):
        label.using(retry=-1)
    with pytest.raises(TypeError, match="retries"):
        label.using(retries=3)


def test_run_after_waits_in_schedule(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label
    from django.utils import timezone

    when = timezone.now() + timedelta(days=3)
    result = label.using(run_after=when).enqueue("ann")
    [(raw, score)] = redis.zrange("schedule", 0, -1, withscores=True)
    assert json.loads(raw)["jid"] == result.id
    assert score == pytest.approx(when.timestamp())
    found = label.get_result(result.id)
    assert found == result
    assert found.task.run_after == when
    assert redis.ttl(f"fastkiq:result:{result.id}") > 3 * 86_400, "the result outlives the wait"


def test_priority_goes_by_queues(depot: ModuleType, redis: Redis, work: Work) -> None:
    from depot.parcels.tasks import label, urgent

    results = [label.using(priority=priority).enqueue("x") for priority in (-1, 0, 1)]
    assert [redis.llen(f"queue:default{level}") for level in (":low", "", ":high")] == [1, 1, 1]
    assert [label.get_result(result.id) for result in results] == results
    result = urgent.enqueue()
    assert redis.llen("queue:mail:high") == 1
    assert urgent.get_result(result.id).task == urgent
    work("mail:high")
    assert urgent.get_result(result.id).return_value == "sent"


def test_a_recurring_task_goes_to_the_queue_of_the_task(depot: ModuleType) -> None:
    import depot.parcels.tasks  # noqa: F401

    from fastkiq.config import Config
    from fastkiq.cron.declared import declared

    schedule = {"hurry": {"every": 60, "class": "depot.parcels.tasks.urgent", "args": [[], {}]}}
    found = {each.name: each for each in declared(Config(schedule=schedule))}
    assert found["hurry"].queue == "mail:high"


def test_bad_arguments_are_refused_at_the_call(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label

    for bad in (object(), float("nan"), {1, 2}, "\ud800"):
        with pytest.raises((TypeError, ValueError)):
            label.enqueue(bad)
    assert redis.keys("queue*") == []
    assert redis.keys("fastkiq:result:*") == []


def test_an_answer_that_is_not_json_is_a_failure(depot: ModuleType, work: Work) -> None:
    from depot.parcels.tasks import unkeepable

    result = unkeepable.enqueue()
    work()
    result.refresh()
    assert result.status == "FAILED"
    assert result.errors[0].exception_class is TypeError


def test_a_missing_result_and_another_tasks(depot: ModuleType) -> None:
    from depot.parcels.tasks import alabel, label

    from fastkiq.contrib.django.compat import TaskResultDoesNotExist

    for nothing in ("0" * 24, "", "a b\n", "x" * 500, 7):
        with pytest.raises(TaskResultDoesNotExist):
            label.get_result(nothing)
    result = label.enqueue("ann")
    with pytest.raises(Exception, match="Task does not match") as raised:
        alabel.get_result(result.id)
    assert type(raised.value).__name__ == "TaskResultMismatch"


def test_signals_are_sent_around_a_task(depot: ModuleType, work: Work) -> None:
    from depot.parcels.tasks import alabel, attempt, label

    from fastkiq.contrib.django import FastkiqBackend
    from fastkiq.contrib.django.compat import signals

    heard: list[tuple[str, str, str]] = []

    def listen(name: str) -> Callable[..., None]:
        def receiver(sender: type, task_result: Any, **_: Any) -> None:
            assert sender is FastkiqBackend
            heard.append((name, task_result.task.name, str(task_result.status)))

        return receiver

    names = ("task_enqueued", "task_started", "task_finished")
    receivers = {name: listen(name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        for task, args in ((label, ("ann",)), (alabel, ("bob",)), (attempt, (5,))):
            heard.clear()
            task.enqueue(*args)
            work()
            end = "FAILED" if task is attempt else "SUCCESSFUL"
            assert heard == [
                ("task_enqueued", task.name, "READY"),
                ("task_started", task.name, "RUNNING"),
                ("task_finished", task.name, end),
            ]
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)


def test_results_can_be_switched_off(depot: ModuleType, redis: Redis, work: Work) -> None:
    from depot.parcels.tasks import attempt
    from django.conf import settings
    from django.test import override_settings

    from fastkiq.contrib.django.compat import TaskResultDoesNotExist

    backend = {**settings.TASKS["default"], "OPTIONS": {"RESULT_TTL": None}}
    with override_settings(TASKS={**settings.TASKS, "default": backend}):
        result = attempt.enqueue(0)
        work()
        assert redis.keys("fastkiq:result:*") == []
        with pytest.raises(TaskResultDoesNotExist):
            result.refresh()
    assert redis.get("stat:processed") == b"1"


def test_a_worker_that_was_killed_counts_as_an_attempt(depot: ModuleType, redis: Redis, work: Work) -> None:
    """Its successor knows that there was one before."""
    from depot.parcels.tasks import attempt

    from fastkiq.contrib.django.record import Record

    result = attempt.enqueue(0)
    Record.start(result.id, "host:1:gone", 1_700_000_000_000)
    work()
    result.refresh()
    assert result.worker_ids[0] == "host:1:gone"
    assert result.return_value == [2, "RUNNING", 0]


def test_comparable_and_picklable_fields_only(depot: ModuleType) -> None:
    from depot.parcels.tasks import label

    assert label.using(retry=9) == label
    assert dataclasses.replace(label, priority=1) != label


def test_texts_marked_as_safe_and_enums_are_plain_json(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label
    from django.utils.safestring import mark_safe

    result = label.enqueue(mark_safe("<b>ann</b>"), note=("a", {1: b"b"}))
    assert (result.args, result.kwargs) == (["<b>ann</b>"], {"note": ["a", {"1": "b"}]})
    assert label.get_result(result.id) == result


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", ["attempt", "aattempt"])
def test_a_receiver_of_a_failure_finds_the_error_and_may_use_the_database(
    depot: ModuleType, work: Work, name: str, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels import tasks
    from depot.parcels.models import Parcel

    from fastkiq.contrib.django.compat import NAME, signals

    heard: list[Any] = []

    def receiver(task_result: Any, **_: Any) -> None:
        Parcel.objects.create(to="a failure", note=task_result.id)
        heard.append(sys.exc_info()[1])

    signals.task_finished.connect(receiver)
    try:
        result = getattr(tasks, name).using(result_ttl=60 if kept else 0).enqueue(9)
        work()
    finally:
        signals.task_finished.disconnect(receiver)
    assert [str(error)[:9] for error in heard] == ["attempt 1"]
    assert Parcel.objects.get().note == result.id
    [record] = [record for record in caplog.records if record.name == NAME and record.levelname == "ERROR"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


def test_without_time_zones(depot: ModuleType, work: Work, redis: Redis) -> None:
    """USE_TZ off: times are naive, in the project's zone."""
    from depot.parcels.tasks import attempt, label
    from django.test import override_settings
    from django.utils import timezone

    with override_settings(USE_TZ=False, TIME_ZONE="America/New_York"):
        now = timezone.now()
        later = label.using(run_after=now + timedelta(hours=1)).enqueue("bob")
        results = [label.enqueue("ann"), attempt.enqueue(9)]
        work()
        for result in results:
            result.refresh()
            times = (result.enqueued_at, result.started_at, result.last_attempted_at, result.finished_at)
            assert all(time.tzinfo is None for time in times)
            assert sorted(times) == list(times)
            assert abs(times[0] - now) < timedelta(minutes=1)
        assert label.get_result(later.id).task.run_after == now + timedelta(hours=1)
        [(_, score)] = redis.zrange("schedule", 0, -1, withscores=True)
        assert score == pytest.approx(now.timestamp() + 3600, abs=60)
