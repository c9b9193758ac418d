"""Running a job where it stands, the way a process would run it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastkiq import _core, client, context
from fastkiq.errors import ArgumentError, FastkiqError, UnknownWorker
from fastkiq.job import Job
from fastkiq.signature import refuse_unrun

if TYPE_CHECKING:
    from fastkiq.bound import Bound
    from fastkiq.results.run import Record
    from fastkiq.worker import Worker


def run(target: "Bound[...]", args: Sequence[Any]) -> Any:
    """Client middleware, JSON and back, server middleware, perform. Answers what perform answers."""
    if _is_async(target):
        import asyncio

        if asyncio._get_running_loop() is not None:
            name = target.worker.__name__ if target.worker else target.name
            raise FastkiqError(
                f"{name} is asynchronous and an event loop runs in this thread: await {name}.aperform_inline(...)"
            )
        return asyncio.run(arun(target, args))
    prepared = _prepare(target, args)
    if prepared is None:
        return None
    instance, args = prepared
    perform: Callable[..., Any] = instance.perform  # type: ignore[attr-defined]
    chain = client.default().config.server_middleware
    record = _begun(instance) if target.keeps else None
    token = context.current.set(instance)
    try:
        answer = perform(*args) if chain.run is None else chain.run(lambda: perform(*args), instance, instance.job)
        refuse_unrun(answer)
        if record is not None:
            record.done(_name(target), answer, _once)
        return answer
    except BaseException as error:
        if record is not None:
            record.failed(error, None, _once)
        raise
    finally:
        context.current.reset(token)


async def arun(target: "Bound[...]", args: Sequence[Any]) -> Any:
    """`run` for a running event loop; a job that is not asynchronous runs in a thread."""
    import asyncio

    if not _is_async(target):
        return await asyncio.to_thread(run, target, args)
    prepared = _prepare(target, args)
    if prepared is None:
        return None
    instance, args = prepared
    perform: Callable[..., Awaitable[Any]] = instance.perform  # type: ignore[attr-defined]
    chain = client.default().config.server_middleware
    record = await asyncio.to_thread(_begun, instance) if target.keeps else None
    token = context.current.set(instance)
    try:
        inner: Callable[[], Awaitable[Any]] = lambda: perform(*args)  # noqa: E731
        answer = await (inner() if chain.arun is None else chain.arun(inner, instance, instance.job))
        if record is not None:
            await asyncio.to_thread(record.done, _name(target), answer, _once)
        return answer
    except BaseException as error:
        if record is not None:
            await asyncio.to_thread(record.failed, error, None, _once)
        raise
    finally:
        context.current.reset(token)


def _begun(instance: "Worker") -> "Record":
    from fastkiq.results.run import inline_record  # only here: most jobs keep no result

    record = inline_record(instance.job)
    record.start()
    return record


def _once() -> bool:
    """Whether to give up on a Redis that is away: nobody runs this job again, so its caller has to hear of it."""
    return True


def _name(target: "Bound[...]") -> str:
    return target.name if target.signature is None else target.signature.where


def _is_async(target: "Bound[...]") -> bool:
    return target.signature is not None and target.signature.is_async


def _prepare(target: "Bound[...]", args: Sequence[Any]) -> "tuple[Worker, Sequence[Any]] | None":
    """An instance that holds the job as it would come out of Redis, and what `perform` gets: decoded apart, so that
    neither the job nor its middleware can change the other's. None when client middleware stopped it."""
    if target.worker is None:
        raise UnknownWorker(f"{target.name} is not defined here, so it cannot run here")
    payload = client.default().prepare(target, args, None)
    if payload is None:
        return None
    instance = target.worker()
    try:
        instance._job = Job.from_bytes(_core.encode(payload))
    except ArgumentError as error:
        target.blame(error)
        raise
    stored = _core.decode(instance._job.raw)["args"]
    return instance, stored if target.signature is None else target.signature.load(stored)
