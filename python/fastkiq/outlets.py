"""Where payloads go when not straight to Redis: held back until a transaction commits, or kept by a test.

An outlet is a function of the payloads, as client middleware left them, and of `push`, which hands them on; it answers
the jids. It is asked for every push of every client in this process, and decides by its own context (a connection, a
ContextVar) whether these concern it: those that do not it hands on.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from fastkiq.guard import Guard

Payload = dict[str, Any]
Push = Callable[[Iterable[Payload]], Sequence[str]]
Outlet = Callable[[Iterable[Payload], Push], Sequence[str]]

present: tuple[Outlet, ...] = ()
"""The first one is asked first. Empty but for programs that ask for more: then pushes take the short way."""

in_thread: Callable[..., Awaitable[Any]] | None = None
"""`in_thread(call, *args)`: how the a-twins leave the event loop where an outlet goes by the thread, as a transaction
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


def _through(outlet: Outlet, push: Push) -> Push:
    return lambda payloads: outlet(payloads, push)
