"""The assertions of `Jobs`, for the jobs of the mode that holds here."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastkiq.job import Job
from fastkiq.testing.switch import jobs
from fastkiq.testing.wanted import ANY, Target


def assert_enqueued(
    worker: Target | None = None,
    *,
    args: Any = ANY,
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
    at: Any = ANY,
    tags: Iterable[str] | None = None,
    count: int | None = None,
) -> list[Job]:
    """See `Jobs.assert_enqueued`."""
    __tracebackhide__ = True
    return jobs().assert_enqueued(worker, args=args, kwargs=kwargs, queue=queue, at=at, tags=tags, count=count)


def assert_not_enqueued(
    worker: Target | None = None,
    *,
    args: Any = ANY,
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
    at: Any = ANY,
    tags: Iterable[str] | None = None,
) -> None:
    """See `Jobs.assert_not_enqueued`."""
    __tracebackhide__ = True
    jobs().assert_not_enqueued(worker, args=args, kwargs=kwargs, queue=queue, at=at, tags=tags)


def assert_no_jobs() -> None:
    """See `Jobs.assert_no_jobs`."""
    __tracebackhide__ = True
    jobs().assert_no_jobs()
