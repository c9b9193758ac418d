"""FastkiqBackend, with what test cases of other backends ask of a backend beyond Django's interface."""

from typing import Any

import fastkiq
from fastkiq import client
from fastkiq.contrib.django import FastkiqBackend
from servers import wait_until


class Recorder(FastkiqBackend):
    """In place of Django's dummy backend, whose cases look at what was enqueued, and forget it."""

    def clear(self) -> None:
        client.default().command("FLUSHDB")

    @property
    def results(self) -> list[Any]:
        """Of all jobs, oldest first."""
        queues = sorted(client.default().command("SMEMBERS", "queues"))
        raws = [raw for name in queues for raw in client.default().command("LRANGE", b"queue:" + name, 0, -1)[::-1]]
        return [self.get_result(fastkiq.Job.from_bytes(raw).jid) for raw in raws]


class Prompt(FastkiqBackend):
    """In place of Django's immediate backend: a worker has run the task before the call returns."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        work()
        result.refresh()
        return result


def work() -> None:
    """Runs all that lies in queues, by a real worker on threads of this process."""
    queues = [name.decode() for name in client.default().command("SMEMBERS", "queues")]
    with fastkiq.run_in_process(queues=sorted(queues) or ["default"], concurrency=1) as workers:
        server = workers._launcher.server
        wait_until(lambda: server.pending(0.0)[0] == 0 and server.busy == 0, 15, "an end of the work")
