"""Tests without Redis, and with it: jobs kept, run at once, or run by a real worker on a server of the test's own.

    with fastkiq.testing.fake() as jobs:
        sign_up("ann@example.org")
        jobs.assert_enqueued(Welcome, args=["ann@example.org"])
        jobs.drain_all()

The pytest fixtures `fastkiq_jobs`, `fastkiq_inline`, `fastkiq_redis` and `fastkiq_worker` come with the package.
"""

from typing import TYPE_CHECKING, Any

from fastkiq.testing.asserts import assert_enqueued, assert_no_jobs, assert_not_enqueued
from fastkiq.testing.due import EndlessJobs
from fastkiq.testing.jobs import Jobs
from fastkiq.testing.mixin import FakeMixin
from fastkiq.testing.switch import disabled, fake, inline, jobs, set_mode
from fastkiq.testing.ticks import tick
from fastkiq.testing.values import ANY, subset
from fastkiq.testing.wanted import Criteria

if TYPE_CHECKING:
    from fastkiq.testing.real import RealWorker

__all__ = [
    "ANY",
    "Criteria",
    "EndlessJobs",
    "FakeMixin",
    "Jobs",
    "RealWorker",
    "assert_enqueued",
    "assert_no_jobs",
    "assert_not_enqueued",
    "disabled",
    "fake",
    "inline",
    "jobs",
    "set_mode",
    "subset",
    "tick",
]


def __getattr__(name: str) -> Any:
    """Workers are loaded by the tests that run some."""
    if name == "RealWorker":
        from fastkiq.testing.real import RealWorker

        return RealWorker
    raise AttributeError(f"module 'fastkiq.testing' has no attribute {name!r}")
