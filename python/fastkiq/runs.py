"""A run that is more than `perform` of what the payload holds: its result is kept, or its arguments are converted."""

from collections.abc import Awaitable, Callable, Sequence
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
        answer = perform(*_arguments(unit, entry))
    else:
        answer = chain(lambda: perform(*_arguments(unit, entry)), instance, instance.job)
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
        answer = await perform(*_arguments(unit, entry))
    else:
        answer = await chain(lambda: perform(*_arguments(unit, entry)), instance, instance.job)
    if record is not None:
        await asyncio.to_thread(record.done, _name(entry), answer, lambda: policy.stopping)


def _arguments(unit: "Unit", entry: "Entry") -> Sequence[Any]:
    """What `perform` gets. Raises ArgumentError that names the field which cannot be read."""
    signature = entry.signature
    if signature is None:
        return unit.args
    arguments = signature.load(unit.args)
    entry.plain = not entry.may_keep and not signature.may_convert  # known since its first use
    return arguments


def _name(entry: "Entry") -> str:
    return entry.name if entry.signature is None else entry.signature.where
