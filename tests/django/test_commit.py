"""What is enqueued in a transaction is pushed when that is committed, and never when it is rolled back."""

import asyncio
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from redis import Redis

import fastkiq


@pytest.fixture
def held(depot: ModuleType) -> Iterator[None]:
    with setting(enqueue_after_commit=True):
        yield


@contextmanager
def rolled_back(using: str = "default") -> Iterator[None]:
    """A transaction, or a savepoint, that ends by an error."""
    from django.db import transaction

    try:
        with transaction.atomic(using=using):
            yield
            raise ZeroDivisionError
    except ZeroDivisionError:
        return


def setting(**values: Any) -> Any:
    from django.test import override_settings

    return override_settings(FASTKIQ=values)


def sizes(redis: Redis) -> dict[str, int]:
    return {key.decode(): redis.llen(key) for key in redis.keys("queue:*")}


@pytest.mark.usefixtures("held")
def test_tasks_and_plain_workers_wait_for_the_commit(redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with transaction.atomic():
        result = label.enqueue("ann")
        jid = Weigh.perform_async(1)
        jids = Weigh.perform_bulk([(2,), (3,)])
        later = Weigh.perform_in(3600, 4)
        assert redis.keys("queue*") == []
        assert redis.zcard("schedule") == 0
        assert jid
        assert later
        assert len(jids) == 2
        assert result.enqueued_at is None
    assert sizes(redis) == {"queue:default": 1, "queue:scales": 3}
    assert redis.zcard("schedule") == 1
    assert result.enqueued_at is not None
    assert label.get_result(result.id) == result


@pytest.mark.usefixtures("held")
def test_a_rollback_drops_them(redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh

    with rolled_back():
        label.enqueue("ann")
        Weigh.perform_async(1)
    assert redis.keys("*") == []


@pytest.mark.usefixtures("held")
def test_a_savepoint_takes_back_its_own(redis: Redis) -> None:
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with transaction.atomic():
        Weigh.perform_async(1)
        with rolled_back():
            Weigh.perform_async(2)
        with transaction.atomic():
            Weigh.perform_async(3)
        assert redis.keys("*") == []
    args = [fastkiq.Job.from_bytes(raw).args for raw in redis.lrange("queue:scales", 0, -1)]
    assert args == [[3], [1]]


@pytest.mark.usefixtures("held")
def test_outside_of_a_transaction_at_once(redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    assert label.enqueue("ann").enqueued_at is not None
    transaction.set_autocommit(False)
    try:
        Weigh.perform_async(1)  # by hand: Django tells nobody when that ends
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    with transaction.atomic(using="archive"):
        Weigh.perform_async(2)  # not the database that is waited for
    assert sizes(redis) == {"queue:default": 1, "queue:scales": 2}


@pytest.mark.usefixtures("held")
def test_bad_arguments_are_refused_at_the_call(redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with transaction.atomic():
        for call in (lambda: Weigh.perform_async(object()), lambda: label.enqueue(object())):  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                call()
        with pytest.raises(fastkiq.ArgumentError):
            Weigh.perform_async()  # type: ignore[call-arg]
    assert redis.keys("*") == []


def test_without_the_setting_nothing_waits(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    from fastkiq import outlets

    assert outlets.present == ()
    with transaction.atomic():
        label.enqueue("ann")
        Weigh.perform_async(1)
        assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_backend_has_a_say_of_its_own(depot: ModuleType, redis: Redis, everywhere: bool) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.conf import settings
    from django.db import transaction
    from django.test import override_settings

    backend = {**settings.TASKS["default"], "OPTIONS": {"ENQUEUE_AFTER_COMMIT": not everywhere}}
    with setting(enqueue_after_commit=everywhere), override_settings(TASKS={**settings.TASKS, "default": backend}):
        with transaction.atomic():
            label.enqueue("ann")
            Weigh.perform_async(1)
            assert sizes(redis) == ({"queue:default": 1} if everywhere else {"queue:scales": 1})
        assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}


def test_of_several_databases_the_last_commit_counts(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with setting(enqueue_after_commit=["default", "archive"]):
        with transaction.atomic(using="archive"):
            with transaction.atomic():
                Weigh.perform_async(1)
            assert redis.keys("*") == []
        assert redis.llen("queue:scales") == 1
        with transaction.atomic():
            with transaction.atomic(using="archive"):
                Weigh.perform_async(2)
            assert redis.llen("queue:scales") == 1
        assert redis.llen("queue:scales") == 2
        with rolled_back(using="archive"):
            with transaction.atomic():
                Weigh.perform_async(3)
        assert redis.llen("queue:scales") == 2


@pytest.mark.usefixtures("held")
def test_in_the_order_of_the_calls_among_other_things_that_wait(redis: Redis) -> None:
    from depot.parcels.workers import Weigh
    from django.db import transaction

    seen: list[int] = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(redis.llen("queue:scales")))
        Weigh.perform_async(1)
        transaction.on_commit(lambda: seen.append(redis.llen("queue:scales")))
    assert seen == [0, 1]


@pytest.mark.usefixtures("held")
def test_testcase_runs_them_where_it_captures_commits(redis: Redis) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.test import TestCase

    class Case(TestCase):
        databases = frozenset({"default"})

        def test(self) -> None:
            label.enqueue("never")
            with self.captureOnCommitCallbacks() as callbacks:
                label.enqueue("never")
            assert len(callbacks) == 2, "the push, and task_enqueued"
            with self.captureOnCommitCallbacks(execute=True):
                label.enqueue("ann")
                Weigh.perform_async(1)
                assert redis.keys("queue*") == []
            assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}

    outcome = unittest.TestResult()
    unittest.TestSuite([Case("test")]).run(outcome)
    assert outcome.testsRun == 1
    assert outcome.errors + outcome.failures == []
    assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}


@pytest.mark.usefixtures("held")
def test_coroutines_below_a_transaction(redis: Redis) -> None:
    """`async_to_sync` in a transaction: its coroutines' pushes belong to the thread that has it open."""
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    async def both() -> None:
        await label.aenqueue("ann")
        await Weigh.aperform_async(1)
        await fastkiq.Client().apush(Weigh, 2)
        await fastkiq.Client().apush_bulk(Weigh, [(3,)])

    with rolled_back():
        async_to_sync(both)()
        assert redis.keys("*") == []
    assert redis.keys("*") == []
    with transaction.atomic():
        async_to_sync(both)()
        assert redis.keys("*") == []
    assert sizes(redis) == {"queue:default": 1, "queue:scales": 3}


@pytest.mark.usefixtures("held")
def test_threads_below_a_coroutine(redis: Redis) -> None:
    """An async view has transactions in `sync_to_async` only; outside of it pushes leave at once."""
    from depot.parcels.workers import Weigh
    from django.db import connections, transaction

    seen: list[int] = []

    def in_a_transaction() -> None:
        with transaction.atomic():
            Weigh.perform_async(1)
            seen.append(redis.llen("queue:scales"))
        seen.append(redis.llen("queue:scales"))

    async def view() -> None:
        await Weigh.aperform_async(0)
        seen.append(redis.llen("queue:scales"))
        await sync_to_async(in_a_transaction)()
        await sync_to_async(connections.close_all)()

    asyncio.run(view())
    assert seen == [1, 1, 2]


@pytest.mark.usefixtures("held")
def test_a_redis_that_is_away_is_told_to_whoever_commits(
    depot: ModuleType, start_server: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    server = start_server()
    fastkiq.configure(redis_url=server.url)

    def request() -> None:
        with transaction.atomic():
            Parcel.objects.create(to="ann")
            jids.append(Weigh.perform_async(1))
            with rolled_back():
                Weigh.perform_async(2)
            jids.extend(Weigh.perform_bulk([(3,), (4,)]))
            jids.append(label.enqueue("ann").id)
            server.stop()

    jids: list[Any] = []
    with pytest.raises(fastkiq.RedisError) as raised, caplog.at_level("INFO"):
        request()
    assert Parcel.objects.count() == 1
    assert [payload["jid"] for payload in raised.value.rest] == jids, "what is to be pushed again"
    assert "has committed, but not (all) enqueued: 4 jobs" in caplog.text
    assert all(jid in caplog.text for jid in jids)


@pytest.mark.usefixtures("held")
def test_another_callback_that_fails_takes_those_behind_it_along_and_the_log_names_them(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.workers import Weigh
    from django.db import transaction

    def request() -> None:
        with transaction.atomic():
            jids.append(Weigh.perform_async(1))
            with rolled_back():
                jids.append(Weigh.perform_async(2))
            transaction.on_commit(lambda: 1 // 0)
            jids.append(Weigh.perform_async(3))

    jids: list[Any] = []
    with caplog.at_level("INFO"):
        with pytest.raises(ZeroDivisionError):
            request()
        assert redis.llen("queue:scales") == 1
        told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", f"not enqueued, since the transaction was rolled back: 1 job: parcels.Weigh {jids[1]}"),
        (
            "WARNING",
            "not enqueued, since another callback of on_commit, before theirs, has failed after the commit: "
            f"1 job: parcels.Weigh {jids[2]}",
        ),
    ]
    with transaction.atomic():
        Weigh.perform_async(4)
    assert redis.llen("queue:scales") == 2


@pytest.mark.usefixtures("held")
def test_an_atomic_without_autocommit_holds_nothing_back(redis: Redis) -> None:
    """Django would call what waits there at `set_autocommit(True)`: never, where the setting AUTOCOMMIT is off."""
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh
    from django.db import transaction

    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            Weigh.perform_async(1)
            assert label.enqueue("ann").enqueued_at is not None
            assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert sizes(redis) == {"queue:default": 1, "queue:scales": 1}


@pytest.mark.usefixtures("held")
def test_a_robust_callback_that_fails_stops_nothing(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with transaction.atomic():
        transaction.on_commit(lambda: 1 // 0, robust=True)
        Weigh.perform_async(1)
        transaction.on_commit(lambda: Weigh.perform_async(2), robust=True)
    assert redis.llen("queue:scales") == 2
    assert "not enqueued" not in caplog.text


@pytest.mark.usefixtures("held")
def test_three_databases_deep(redis: Redis) -> None:
    """Savepoints of one inside of transactions of another; what is rolled back is dropped, and nothing else."""
    from depot.parcels.workers import Weigh
    from django.db import transaction

    with setting(enqueue_after_commit=["default", "archive"]):
        with transaction.atomic():
            Weigh.perform_async(1)
            with rolled_back(using="archive"):
                Weigh.perform_async(2)  # the default database's commit is waited for, archive's after it
                with transaction.atomic():
                    Weigh.perform_async(3)
            with transaction.atomic(using="archive"):
                with rolled_back():
                    Weigh.perform_async(4)
                Weigh.perform_async(5)
            assert redis.keys("*") == []
    args = [fastkiq.Job.from_bytes(raw).args[0] for raw in redis.lrange("queue:scales", 0, -1)][::-1]
    assert args[0] == 1
    assert 4 not in args
    assert args[-1] == 5
