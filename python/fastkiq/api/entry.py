"""One entry of the schedule, the retries or the dead jobs."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from fastkiq.errors import ArgumentError
from fastkiq.job import Job

if TYPE_CHECKING:
    from fastkiq.api.job_set import JobSet

NO_JID: Final = "~"
"""What the second half of an `id` begins with where there is no jid."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A job with the time it is kept by, as it was when it was read.

    What is done to it is done to these stored bytes: each call answers whether they were still there.
    """

    job: Job
    score: float
    """Epoch seconds: when it runs next, when it falls due, or when it died."""
    ties: int
    """Entries of this very score up to and with this one, in the order and at the time in which it was read."""
    length: int
    """Stored bytes."""
    set: "JobSet" = field(repr=False, compare=False)
    is_whole: bool = True
    """False: it is too long to be read with others; only its length and score are known, by which it is acted on."""

    @property
    def id(self) -> str:
        """`score-jid`, as Sidekiq's Web UI addresses it; what has no jid is known by a digest, else by its length."""
        if self.job.jid:
            return f"{self.score!r}-{self.job.jid}"
        of = sha1(self.job.raw, usedforsecurity=False).hexdigest()[:16] if self.is_whole else str(self.length)
        return f"{self.score!r}-{NO_JID}{of}"

    @property
    def at(self) -> datetime | None:
        """The score as a time; None when it is none."""
        return self.job.at

    def delete(self) -> bool:
        """Takes it out for good."""
        return self.set.act("delete", [self]).done == 1

    def retry(self) -> bool:
        """Puts it into its queue now; the attempt that failed does not count. Raises ArgumentError when no job can be
        made of it."""
        return self._moved("retry")

    def enqueue(self) -> bool:
        """Puts it into its queue now. Raises ArgumentError when no job can be made of it."""
        return self._moved("enqueue")

    def kill(self) -> bool:
        """Moves it to the dead jobs. Death handlers are not called: they belong to the workers."""
        return self._moved("kill")

    def reschedule(self, at: float | datetime) -> bool:
        """Gives it another time (epoch seconds or aware datetime). Raises ArgumentError for what is none."""
        return self.set.reschedule(self, at)

    def _moved(self, action: str) -> bool:
        outcome = self.set.act(action, [self])
        if outcome.refused:
            raise ArgumentError(outcome.reasons[0])
        return outcome.done == 1
