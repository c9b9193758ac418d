"""A tick of a recurring job, in whatever mode holds."""

import time

from fastkiq import _core, client
from fastkiq.client import When, epoch_of
from fastkiq.job import Job
from fastkiq.testing import modes, recurring
from fastkiq.testing.jobs import Jobs
from fastkiq.testing.wanted import Target


def tick(worker: Target, *, at: When | None = None) -> Job:
    """Makes the job of a tick at this moment, an aware datetime or epoch seconds (now when none is said): `fake()`
    keeps it as `Jobs.tick` does, `inline()` runs it, else it goes to Redis, for a `fastkiq_worker`, say.

    Answers the record of it. Raises ArgumentError for a worker that is not recurring.
    """
    __tracebackhide__ = True
    mode = modes.current()
    if mode is not None and isinstance(mode.means.given, Jobs):
        return mode.means.given.tick(worker, at=at)
    now = time.time()
    payload = recurring.payload(recurring.of(worker), now if at is None else epoch_of(at), now)
    job = Job.from_bytes(_core.encode(payload))
    push = client.default().core.push_payloads
    if mode is None:
        push([payload])
    else:
        mode.means.outlet([payload], push)
    return job
