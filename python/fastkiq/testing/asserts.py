"""The assertions of `Jobs`, for the jobs of the mode that holds here."""

from typing import Unpack

from fastkiq.job import Job
from fastkiq.testing.switch import jobs
from fastkiq.testing.wanted import Criteria, Target


def assert_enqueued(
    worker: Target | None = None, *, count: int | None = None, **criteria: Unpack[Criteria]
) -> list[Job]:
    """See `Jobs.assert_enqueued`."""
    __tracebackhide__ = True
    return jobs().assert_enqueued(worker, count=count, **criteria)


def assert_not_enqueued(worker: Target | None = None, **criteria: Unpack[Criteria]) -> None:
    """See `Jobs.assert_not_enqueued`."""
    __tracebackhide__ = True
    jobs().assert_not_enqueued(worker, **criteria)


def assert_no_jobs() -> None:
    """See `Jobs.assert_no_jobs`."""
    __tracebackhide__ = True
    jobs().assert_no_jobs()
