"""Code around each push or each run of a job.

A middleware is a generator function of two arguments. What it wraps happens at its one `yield`:

    def timing(worker, job):                    # on the server: the Worker instance and its Job
        start = time.monotonic()
        try:
            yield                               # the job runs here; what it raises comes out of the yield
        finally:
            statsd.timing(job.class_name, time.monotonic() - start)

    def tenant(worker, payload):                # on the client: the Worker class (or name) and the payload, a dict
        payload["tenant"] = current_tenant()
        yield                                   # the inner middleware runs here; the write follows when all are through

- Leaving without a yield skips the job (it counts as done), or stops the push (which answers None).
- `result = yield` is what `perform` returned. An exception that is not raised again counts as success.
- A middleware with state is a class: `call` is the generator function, and `add` takes the arguments of the class.
- The same generator wraps an `async def perform` rightly: what stands before and after the yield runs on the event
  loop's thread, so it must not block. One that has to await adds `async def acall(self, worker, job)`, an
  asynchronous generator, which then takes the place of `call` around asynchronous jobs.
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from threading import RLock
from typing import Any

from fastkiq.errors import ConfigError
from fastkiq.guard import Guard

Step = Callable[[Any, Any], Generator[Any, Any, Any]]
AsyncStep = Callable[[Any, Any], AsyncGenerator[Any, Any]]
Run = Callable[[Callable[[], Any], Any, Any], Any]
AsyncRun = Callable[[Callable[[], Awaitable[Any]], Any, Any], Awaitable[Any]]


class Chain:
    """An ordered list of middleware, the first one outermost.

    `run(inner, worker, job)` and `arun` (for an `inner` that answers an awaitable) are compiled at each change; both
    are None while the chain is empty, so that the caller can call directly.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self.arun: AsyncRun | None = None
        self._links: list[_Link] = []
        self._guard = Guard(RLock)

    def add(self, middleware: Any, /, *args: Any, **kwargs: Any) -> None:
        """Innermost. A class is instantiated with the arguments; one already present is replaced."""
        self._insert(lambda links: len(links), middleware, args, kwargs)

    def prepend(self, middleware: Any, /, *args: Any, **kwargs: Any) -> None:
        """Outermost."""
        self._insert(lambda _: 0, middleware, args, kwargs)

    def insert_before(self, other: Any, middleware: Any, /, *args: Any, **kwargs: Any) -> None:
        """Just outside of `other`. Raises ConfigError when `other` is not there."""
        self._insert(lambda links: self._position(links, other), middleware, args, kwargs)

    def insert_after(self, other: Any, middleware: Any, /, *args: Any, **kwargs: Any) -> None:
        """Just inside of `other`. Raises ConfigError when `other` is not there."""
        self._insert(lambda links: self._position(links, other) + 1, middleware, args, kwargs)

    def remove(self, middleware: Any) -> None:
        """Takes it out, if it is there."""
        with self._guard.lock:
            self._compile([link for link in self._links if not link.is_of(middleware)])

    def clear(self) -> None:
        """Takes all out."""
        with self._guard.lock:
            self._compile([])

    def exists(self, middleware: Any) -> bool:
        """Whether it is there; a class stands for its instance."""
        return any(link.is_of(middleware) for link in self._links)

    __contains__ = exists

    def __iter__(self) -> Iterator[Any]:
        """The functions and instances, outermost first."""
        return iter([link.middleware for link in self._links])

    def __len__(self) -> int:
        return len(self._links)

    def _insert(
        self, position: Callable[[list["_Link"]], int], middleware: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        link = _Link(middleware, args, kwargs)
        with self._guard.lock:
            links = [each for each in self._links if not each.is_of(middleware)]
            links.insert(position(links), link)
            self._compile(links)

    @staticmethod
    def _position(links: list["_Link"], other: Any) -> int:
        for position, link in enumerate(links):
            if link.is_of(other):
                return position
        raise ConfigError(f"{_name(other)} is not in the middleware chain")

    def _compile(self, links: list["_Link"]) -> None:
        run: Run | None = None
        arun: AsyncRun | None = None
        for link in reversed(links):
            run = _around(link.step, run or _call_inner)
            inner = arun or _await_inner
            arun = _around_async(link.step, inner) if link.async_step is None else _async_around(link.async_step, inner)
        self._links, self.run, self.arun = links, run, arun


class _Link:
    """One middleware, checked and instantiated."""

    def __init__(self, middleware: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.given = middleware
        if isinstance(middleware, type):
            middleware = middleware(*args, **kwargs)
        elif args or kwargs:
            raise ConfigError(f"{_name(middleware)} is no class, so it takes no arguments")
        self.middleware = middleware
        self.step: Step = getattr(middleware, "call", middleware)
        self.async_step: AsyncStep | None = getattr(middleware, "acall", None)
        if not callable(self.step) or not inspect.isgeneratorfunction(inspect.unwrap(self.step)):
            raise ConfigError(
                f"{_name(middleware)} is no middleware: it (or its method call) must be a generator function "
                "of two arguments that yields where the job runs"
            )
        if self.async_step is not None and not inspect.isasyncgenfunction(inspect.unwrap(self.async_step)):
            raise ConfigError(f"{_name(middleware)}.acall must be an asynchronous generator function")

    def is_of(self, middleware: Any) -> bool:
        return self.given == middleware or self.middleware == middleware or type(self.middleware) is middleware


def _name(middleware: Any) -> str:
    return getattr(middleware, "__qualname__", None) or type(middleware).__qualname__


def _call_inner(inner: Callable[[], Any], _worker: Any, _job: Any) -> Any:
    return inner()


async def _await_inner(inner: Callable[[], Awaitable[Any]], _worker: Any, _job: Any) -> Any:
    return await inner()


def _around(step: Step, inside: Run) -> Run:
    def run(inner: Callable[[], Any], worker: Any, job: Any) -> Any:
        generator = step(worker, job)
        if not _enter(generator):
            return None
        try:
            result = inside(inner, worker, job)
        except BaseException as error:
            return _throw(generator, error)
        return _leave(generator, result)

    return run


def _around_async(step: Step, inside: AsyncRun) -> AsyncRun:
    async def run(inner: Callable[[], Awaitable[Any]], worker: Any, job: Any) -> Any:
        generator = step(worker, job)
        if not _enter(generator):
            return None
        try:
            result = await inside(inner, worker, job)
        except BaseException as error:
            return _throw(generator, error)
        return _leave(generator, result)

    return run


def _async_around(step: AsyncStep, inside: AsyncRun) -> AsyncRun:
    async def run(inner: Callable[[], Awaitable[Any]], worker: Any, job: Any) -> Any:
        generator = step(worker, job)
        try:
            await anext(generator)
        except StopAsyncIteration:
            return None
        try:
            result = await inside(inner, worker, job)
        except BaseException as error:
            try:
                await generator.athrow(error)
            except StopAsyncIteration:
                return None
            except RuntimeError as raised:
                if raised.__cause__ is error and isinstance(error, (StopIteration, StopAsyncIteration)):
                    raise error from None
                raise
            await generator.aclose()
            raise _yielded_twice(generator) from error
        try:
            await generator.asend(result)
        except StopAsyncIteration:
            return result
        await generator.aclose()
        raise _yielded_twice(generator)

    return run


def _enter(generator: Generator[Any, Any, Any]) -> bool:
    """Up to the yield; False when there was none."""
    try:
        next(generator)
    except StopIteration:
        return False
    return True


def _throw(generator: Generator[Any, Any, Any], error: BaseException) -> None:
    try:
        generator.throw(error)
    except StopIteration:
        return  # the middleware has dealt with the error
    except RuntimeError as raised:
        if raised.__cause__ is error and isinstance(error, StopIteration):
            raise error from None  # Python's wrapping of a StopIteration that passes through a generator
        raise
    generator.close()
    raise _yielded_twice(generator) from error


def _leave(generator: Generator[Any, Any, Any], result: Any) -> Any:
    try:
        generator.send(result)
    except StopIteration:
        return result
    generator.close()
    raise _yielded_twice(generator)


def _yielded_twice(generator: Any) -> RuntimeError:
    return RuntimeError(f"middleware {generator.__qualname__} yielded more than once")
