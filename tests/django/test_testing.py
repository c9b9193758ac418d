"""fastkiq.testing beside Django's own test cases: no Redis is asked."""

import unittest
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import fastkiq
from fastkiq import testing

pytestmark = pytest.mark.usefixtures("no_redis")


@pytest.fixture
def no_redis(depot: ModuleType) -> Iterator[None]:
    """There is none, and who asks for one fails."""
    from django.test import override_settings

    fastkiq.configure(redis_url="redis://127.0.0.1:1", connect_timeout=1)
    with override_settings(FASTKIQ={"enqueue_after_commit": True}):
        yield


def passes(case: type[unittest.TestCase]) -> None:
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    assert outcome.testsRun > 0
    assert [text for _, text in outcome.errors + outcome.failures] == []


def test_testcase_whose_transaction_never_commits() -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import attempt, label
    from depot.parcels.workers import Weigh
    from django.test import TestCase

    class Case(testing.FakeMixin, TestCase):
        def test_held(self) -> None:
            label.enqueue("ann")
            self.jobs.assert_no_jobs()

        def test_a_task(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                result = label.enqueue("ann", note="a book")
                Weigh.perform_async(1)
                self.jobs.assert_no_jobs()
            self.jobs.assert_enqueued("depot.parcels.tasks.label", args=[["ann"], {"note": "a book"}])
            assert label.get_result(result.id).status == "READY"
            assert self.jobs.drain_all() == 2
            result.refresh()
            assert result.status == "SUCCESSFUL"
            assert result.return_value == Parcel.objects.get().pk
            assert (result.attempts, result.errors) == (1, [])

        def test_a_task_that_fails(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                result = attempt.enqueue(9)
            with pytest.raises(ValueError, match="attempt 1"):
                self.jobs.drain_all()
            result.refresh()
            assert result.status == "FAILED"
            assert result.errors[0].exception_class is ValueError

        def test_a_failure_that_is_the_last(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                result = attempt.enqueue(9)
            self.jobs.drain_all(retries=True)
            result.refresh()
            assert result.status == "FAILED"
            assert Parcel.objects.count() == 0, "the connection of the test is alive"

        def test_queries_are_counted(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                label.enqueue("ann")
                label.enqueue("bob")
            with self.assertNumQueries(2):
                self.jobs.drain_all()

        def test_inline(self) -> None:
            with testing.inline(), self.captureOnCommitCallbacks(execute=True):
                label.enqueue("ann")
            assert Parcel.objects.get().to == "ann"

        def test_retries(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                result = attempt.using(retry=3).enqueue(1)
            self.jobs.drain_all(retries=True)
            result.refresh()
            assert (result.status, result.attempts, len(result.errors)) == ("READY", 1, 1)

    passes(Case)


def test_transactiontestcase_commits() -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import alabel, label
    from django.db import transaction
    from django.test import TransactionTestCase

    class Case(testing.FakeMixin, TransactionTestCase):
        def test_commit(self) -> None:
            with transaction.atomic():
                label.enqueue("ann")
                self.jobs.assert_no_jobs()
            self.jobs.assert_enqueued("depot.parcels.tasks.label", count=1)

        def test_a_coroutine(self) -> None:
            result = alabel.enqueue("bob")
            self.jobs.drain_all()
            result.refresh()
            assert result.return_value["pk"] == Parcel.objects.get().pk

        def test_outside(self) -> None:
            label.enqueue("ann")
            assert len(self.jobs) == 1

    passes(Case)


def test_inline_runs_tasks_at_the_commit() -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import label
    from django.db import transaction

    with testing.inline():
        with transaction.atomic():
            result: Any = label.enqueue("ann")
            assert Parcel.objects.count() == 0
        assert Parcel.objects.get().to == "ann"
        result.refresh()
        assert result.status == "SUCCESSFUL"
