"""Which outlet takes the pushes of a thread or task, and the `with` blocks and decorators that choose it.

A block holds for the thread or task that entered it, and what that one starts with a copy of its context (tasks,
`asyncio.to_thread`). Threads have a context of their own, so only blocks with `everywhere=True` reach them.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from fastkiq import outlets
from fastkiq.guard import Guard
from fastkiq.outlets import Outlet, Payload, Push
from fastkiq.testing.records import Records

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Clock = Callable[[], float]


class Means(NamedTuple, Generic[T]):
    """By what a mode works."""

    outlet: Outlet
    clock: Clock
    records: Records | None
    """The results of its jobs; None: they lie in Redis."""
    given: T
    """What its `with` block has of it."""


class Mode:
    """One entered block. It may be left in another context than it was entered in (the set-up and tear-down of an
    asynchronous fixture), so readers pass over those that have ended instead of trusting the variable to be reset."""

    def __init__(self, means: Means[Any], outer: "Mode | None") -> None:
        self.means = means
        self.outer = outer
        self.ended = False


_entered: ContextVar[Mode | None] = ContextVar("fastkiq_testing_mode", default=None)
_everywhere: list[Mode] = []
_open: list[Mode] = []
_guard: Final = Guard()


def current() -> Mode | None:
    """The innermost mode of this context, else the youngest one that holds everywhere."""
    mode = _living()
    if mode is None and _everywhere:
        return _everywhere[-1]
    return mode


def _living() -> Mode | None:
    mode = _entered.get()
    while mode is not None and mode.ended:
        mode = mode.outer
    return mode


def begin(means: Means[Any], *, everywhere: bool, here: bool = True, lowest: bool = False) -> Mode:
    """Enters a mode: for this context if `here`, and for all that have none if `everywhere`; `lowest`: under all those
    that hold everywhere."""
    mode = Mode(means, _living())
    with _guard.lock:
        _open.append(mode)
        if everywhere:
            _everywhere.insert(0 if lowest else len(_everywhere), mode)
        outlets.add(_outlet, last=True)
        outlets.clock = _clock
        outlets.records = _records
    if here:
        _entered.set(mode)
    return mode


def end(mode: Mode) -> None:
    """Leaves it, in whatever order and context."""
    with _guard.lock:
        mode.ended = True
        for held in (_open, _everywhere):
            if mode in held:
                held.remove(mode)
        if not _open:
            outlets.remove(_outlet)
            outlets.clock = None
            outlets.records = None
    if _entered.get() is mode:
        _entered.set(mode.outer)


def opened() -> list[Mode]:
    """All modes that are on, in any context."""
    with _guard.lock:
        return list(_open)


def _outlet(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    mode = current()
    return push(payloads) if mode is None else mode.means.outlet(payloads, push)


def _clock() -> float:
    mode = current()
    return time.time() if mode is None else mode.means.clock()


def _records(words: Sequence[Any], send: Callable[[], Any]) -> Any:
    mode = current()
    records = None if mode is None else mode.means.records
    return send() if records is None else records.answer(words, send)


class Block(Generic[T]):
    """A context manager, and a decorator of functions, coroutine functions and classes of tests.

    `make` is called at each entry.
    """

    def __init__(self, make: Callable[[], Means[T]], *, everywhere: bool) -> None:
        self._make = make
        self._everywhere = everywhere
        self._modes: list[Mode] = []

    def __enter__(self) -> T:
        means = self._make()
        self._modes.append(begin(means, everywhere=self._everywhere))
        return means.given

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._modes.pop())

    def __call__(self, decorated: F) -> F:
        """The function inside of a block of its own at each call; of a class every method that is named `test...`."""
        if isinstance(decorated, type):
            for name, value in list(vars(decorated).items()):
                if name.startswith("test") and inspect.isfunction(value):
                    setattr(decorated, name, self(value))
            return decorated
        if inspect.iscoroutinefunction(decorated):

            @functools.wraps(decorated)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with Block(self._make, everywhere=self._everywhere):
                    return await decorated(*args, **kwargs)

            return cast("F", awaited)
        if inspect.isgeneratorfunction(decorated) or inspect.isasyncgenfunction(decorated):
            raise TypeError(f"{decorated.__qualname__} is a generator: write a with block around its yield instead")

        @functools.wraps(decorated)
        def called(*args: Any, **kwargs: Any) -> Any:
            with Block(self._make, everywhere=self._everywhere):
                return decorated(*args, **kwargs)

        return cast("F", called)
