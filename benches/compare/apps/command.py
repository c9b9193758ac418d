"""The command line of every Python contender: `app.py enqueue KIND N` and `app.py bulk KIND N`. Standard library only.

It prints `{"seconds": s, "jobs": n}`; imports are not in the seconds, nor is connecting where a system has a call for
it (`ready`); elsewhere the first job connects. `wake` jobs are sent at random pauses of 5 to 30 ms, each with the time
it was sent at; COMPARE_PAUSE multiplies the pauses, for systems that would still be busy with the job before. The kinds
and what they are called with:

    noop("string", i, {"mike": "bob"})    sleep(i)    asleep(i)    middle(i)    wake(sent_ns)    slow(i)      i from 1
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

Arguments = tuple[Any, ...]


def arguments(kind: str, jobs: int) -> Iterator[Arguments]:
    """The arguments of each of `jobs` jobs of a kind."""
    if kind == "noop":
        return (("string", number, {"mike": "bob"}) for number in range(1, jobs + 1))
    return ((number,) for number in range(1, jobs + 1))


def main(
    one: Callable[..., Any],
    many: Callable[[str, Iterator[Arguments]], Any] | None = None,
    ready: Callable[[], Any] | None = None,
) -> None:
    """`one(kind, *arguments)` enqueues a job, `many(kind, rows)` all of them; `ready()` opens connections, untimed."""
    how, kind, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if ready is not None:
        ready()
    began = time.perf_counter()
    if how == "bulk":
        if many is None:
            sys.exit("there is no bulk call")
        many(kind, arguments(kind, jobs))
    elif kind == "wake":
        for pause in _pauses(jobs):
            time.sleep(pause)
            one(kind, time.monotonic_ns())
    else:
        for row in arguments(kind, jobs):
            one(kind, *row)
    _print(began, jobs)


def main_async(
    one: Callable[..., Awaitable[Any]],
    many: Callable[[str, Iterator[Arguments]], Awaitable[Any]] | None = None,
    ready: Callable[[], Awaitable[Any]] | None = None,
    close: Callable[[], Awaitable[Any]] | None = None,
) -> None:
    """As `main`, for systems whose enqueue call is a coroutine."""
    asyncio.run(_main_async(one, many, ready, close))


async def _main_async(one: Any, many: Any, ready: Any, close: Any) -> None:
    how, kind, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if ready is not None:
        await ready()
    began = time.perf_counter()
    if how == "bulk":
        if many is None:
            sys.exit("there is no bulk call")
        await many(kind, arguments(kind, jobs))
    elif kind == "wake":
        for pause in _pauses(jobs):
            await asyncio.sleep(pause)
            await one(kind, time.monotonic_ns())
    else:
        for row in arguments(kind, jobs):
            await one(kind, *row)
    _print(began, jobs)
    if close is not None:
        await close()


def _pauses(probes: int) -> Iterator[float]:
    chance, slower = random.Random(7), float(os.environ.get("COMPARE_PAUSE", "1"))
    return (slower * chance.uniform(0.005, 0.030) for _ in range(probes))


def _print(began: float, jobs: int) -> None:
    print(json.dumps({"seconds": time.perf_counter() - began, "jobs": jobs}), flush=True)
