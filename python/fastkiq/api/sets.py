"""The three sets."""

from typing import ClassVar

from fastkiq.api.actions import Outcome
from fastkiq.api.job_set import JobSet


class ScheduledSet(JobSet):
    """Jobs that wait for their time."""

    key: ClassVar[str] = "schedule"
    can: ClassVar[tuple[str, ...]] = ("enqueue", "kill", "delete")

    def enqueue_all(self) -> Outcome:
        """Puts all into their queues now."""
        return self.sweep("enqueue").outcome


class RetrySet(JobSet):
    """Jobs that failed and wait to run again."""

    key: ClassVar[str] = "retry"
    can: ClassVar[tuple[str, ...]] = ("retry", "kill", "delete")

    def retry_all(self) -> Outcome:
        """Puts all into their queues now; the failed attempt of each does not count."""
        return self.sweep("retry").outcome

    def kill_all(self) -> Outcome:
        """Moves all to the dead jobs, the latest of which are kept (`dead_max_jobs`)."""
        return self.sweep("kill").outcome


class DeadSet(JobSet):
    """Jobs that failed for the last time, the latest first."""

    key: ClassVar[str] = "dead"
    order: ClassVar[str] = "latest"
    can: ClassVar[tuple[str, ...]] = ("retry", "delete")

    def retry_all(self) -> Outcome:
        """Puts all into their queues now."""
        return self.sweep("retry").outcome
