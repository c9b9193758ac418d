"""A run that is more than `perform` of what the payload holds: its result is kept, or its arguments are converted."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastkiq.results.run import record_of
from fastkiq.signature import refuse_unrun

if TYPE_CHECKING:
    from fastkiq._core import Unit
    from fastkiq.middleware import AsyncRun, Run
    from fastkiq.policy import RetryPolicy
    from fastkiq.registry import Entry


def run(chain: "Run | None", instance: Any, unit: "Unit", entry: "Entry", policy: "RetryPolicy") -> Any:
    """Runs a claimed job on this thread. When it returns, Redis has the job's result, and the job can be acked."""
    record = record_of(unit, entry)
    if record is not None:
        record.start()
    perform: Callable[..., Any] = instance.perform
    if chain is None:
        answer = perform(*unit.args)
    else:
        answer = chain(lambda: perform(*unit.args), instance, instance.job)
    refuse_unrun(answer)
    if record is not None:
        record.done(_name(entry), answer, lambda: policy.stopping)
    return answer


async def arun(chain: "AsyncRun | None", instance: Any, unit: "Unit", entry: "Entry", policy: "RetryPolicy") -> None:
    """`run` for a job that is a coroutine; what waits for Redis does so in a thread."""
    import asyncio

    record = record_of(unit, entry)
    if record is not None:
        await asyncio.to_thread(record.start)
    perform: Callable[..., Awaitable[Any]] = instance.perform
    if chain is None:
        answer = await perform(*unit.args)
    else:
        answer = await chain(lambda: perform(*unit.args), instance, instance.job)
    if record is not None:
        await asyncio.to_thread(record.done, _name(entry), answer, lambda: policy.stopping)


def _name(entry: "Entry") -> str:
    return entry.name if entry.signature is None else entry.signature.where
