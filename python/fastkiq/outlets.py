"""Where payloads go when not straight to Redis: held back until a transaction commits, or kept by a test.

An outlet is a function of the payloads, as client middleware left them, and of `push`, which hands them on; it answers
the jids. It is asked for every push of every client in this process, and decides by its own context (a connection, a
ContextVar) whether these concern it: those that do not it hands on.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from fastkiq.guard import Guard

R = TypeVar("R")
Payload = dict[str, Any]
Push = Callable[[Iterable[Payload]], Sequence[str]]
Outlet = Callable[[Iterable[Payload], Push], Sequence[str]]

present: tuple[Outlet, ...] = ()
"""The first one is asked first. Empty but for programs that ask for more: then pushes take the short way."""

clock: Callable[[], float] | None = None
"""Epoch seconds by which `perform_in` counts where a test lets time pass; None: the system's."""

records: Callable[[Sequence[Any], Callable[[], Any]], Any] | None = None
"""`records(words, send)`: what answers a Redis command that reads or writes results, where a test keeps them."""

in_thread: Callable[[Callable[[], Any]], Awaitable[Any]] | None = None
"""`in_thread(call)`: how the a-twins leave the event loop where an outlet goes by the thread, as a transaction
does; None: by `asyncio.to_thread`."""

_guard: Final = Guard()


def add(outlet: Outlet, *, last: bool = False) -> None:
    """Puts an outlet before (or with `last` behind) those that are there; one that is there stays where it is."""
    global present
    with _guard.lock:
        if outlet not in present:
            present = (*present, outlet) if last else (outlet, *present)


def remove(outlet: Outlet) -> None:
    """Takes it out, if it is there."""
    global present
    with _guard.lock:
        present = tuple(each for each in present if each != outlet)


def send(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    """Through all outlets, then to `push`."""
    for outlet in reversed(present):
        push = _through(outlet, push)
    return push(payloads)


async def off_loop(call: Callable[[], R]) -> R:
    """Calls what blocks in a thread, so that the event loop of an a-twin goes on."""
    if in_thread is not None:
        answer: R = await in_thread(call)
        return answer
    import asyncio  # only here: programs without coroutines need not load it

    return await asyncio.to_thread(call)


def _through(outlet: Outlet, push: Push) -> Push:
    return lambda payloads: outlet(payloads, push)
