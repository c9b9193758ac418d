"""What travels with a job beside its arguments: values of the context in which it is enqueued.

They lie in the payload under `context`, by name, as plain JSON: data, which whoever can write to Redis can write too.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from weakref import WeakSet

from fastkiq import _core, context
from fastkiq.errors import ArgumentError, DefinitionError, FastkiqError
from fastkiq.guard import Guard

if TYPE_CHECKING:
    from fastkiq.config import Config

T = TypeVar("T")
MAX_BYTES: Final = 4_096
"""The largest value, as JSON."""
MAX_NAMES: Final = 64
"""The most names that a payload has, and a process carries."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Carried:
    """One name, with how its value is read at the call and set around the job."""

    read: Callable[[], Any]
    enter: Callable[[Any], AbstractContextManager[Any]]


_all: dict[str, Carried] = {}
_configs: WeakSet["Config"] = WeakSet()
_guard: Final = Guard()


@overload
def carry(name: str, variable: ContextVar[Any], /) -> None: ...
@overload
def carry(name: str, /, *, read: Callable[[], Any], enter: Callable[[T], AbstractContextManager[Any]]) -> None: ...
def carry(
    name: str,
    variable: ContextVar[Any] | None = None,
    /,
    *,
    read: Callable[[], Any] | None = None,
    enter: Callable[[Any], AbstractContextManager[Any]] | None = None,
) -> None:
    """From now on jobs take along what `variable` holds where they are enqueued: it holds the same around their runs.

        tenant: ContextVar[str] = ContextVar("tenant")
        fastkiq.carry("tenant", tenant)

    Or what `read()` answers, and the run is inside of the context manager `enter(value)`. A value is plain JSON of at
    most 4 KiB; None is not carried. Say it where jobs are enqueued and where they run. A name said again takes the
    place of the one before. Raises DefinitionError; the enqueue call raises ArgumentError for another value.
    """
    if not _NAME.fullmatch(str(name)):
        raise DefinitionError(f"carry: a name is made of up to 64 letters, digits and _ . -, not {name!r:.80}")
    if variable is not None and (read is not None or enter is not None):
        raise DefinitionError(f"carry({name!r}): pass a ContextVar, or read and enter, not both")
    if variable is not None:
        if not isinstance(variable, ContextVar):
            raise DefinitionError(f"carry({name!r}): a ContextVar is wanted, not {type(variable).__name__}")
        read, enter = _reader(variable), _setter(variable)
    if not callable(read) or not callable(enter):
        raise DefinitionError(f"carry({name!r}): pass a ContextVar, or both read and enter, which are called")
    with _guard.lock:
        if name not in _all and len(_all) >= MAX_NAMES:
            raise DefinitionError(f"carry({name!r}): {MAX_NAMES} names are carried already, and no more can be")
        _all[name] = Carried(read, enter)
        for config in list(_configs):
            _install(config)


def forget(name: str) -> None:
    """Carries it no longer; for tests."""
    with _guard.lock:
        _all.pop(name, None)
        if not _all:
            for config in list(_configs):
                config.client_middleware.remove(_take)
                config.server_middleware.remove(_bring)


def follow(config: "Config") -> None:
    """A configuration has come to be: its middleware carries what is carried, once something is."""
    with _guard.lock:
        _configs.add(config)
        if _all:
            _install(config)


def _install(config: "Config") -> None:
    config.client_middleware.prepend(_take)
    config.server_middleware.prepend(_bring)


def _take(_worker: Any, payload: dict[str, Any]) -> Iterator[None]:
    """Client middleware: the values as they are at the call, and those of the running job that nobody here knows."""
    values: dict[str, Any] = {}
    for name, carried in list(_all.items()):
        value = carried.read()
        if value is not None:
            values[name] = _checked(name, value)
    held = _held(_running()).items()
    others = {name: value for name, value in held if name not in _all and _size(value) <= MAX_BYTES}
    if len(others) + len(values) <= MAX_NAMES:
        values = others | values
    if values:
        payload["context"] = values
    yield


def _bring(_worker: Any, job: Any) -> Iterator[None]:
    """Server middleware: the values are there while the job runs."""
    held = _held(job.payload)
    with ExitStack() as stack:
        for name, carried in list(_all.items()):
            if held.get(name) is not None:
                stack.enter_context(carried.enter(_bounded(name, held[name])))
        yield


def _running() -> dict[str, Any]:
    """The payload of the job that runs here; empty outside of one."""
    job = context.current_job()
    return {} if job is None else job.payload


def _held(payload: dict[str, Any]) -> dict[str, Any]:
    """The context in a payload. Another program may mean something else by that key."""
    held = payload.get("context")
    return held if isinstance(held, dict) and len(held) <= MAX_NAMES else {}


def _checked(name: str, value: Any) -> Any:
    """A copy of the value, which may change before it is written. Raises ArgumentError."""
    try:
        written = _core.encode(value)
    except ArgumentError as error:
        raise ArgumentError(f"what is carried as {name!r} must be plain JSON: {error}") from None
    if len(written) > MAX_BYTES:
        raise ArgumentError(f"what is carried as {name!r} takes {len(written):,} bytes; {MAX_BYTES:,} are allowed")
    return _core.decode(written)


def _bounded(name: str, value: Any) -> Any:
    """Raises FastkiqError: a job must not run without what it was enqueued with."""
    if _size(value) > MAX_BYTES:
        raise FastkiqError(f"the payload's context {name!r} is larger than the {MAX_BYTES:,} bytes that are allowed")
    return value


def _size(value: Any) -> int:
    return len(_core.encode(value))


def _reader(variable: ContextVar[Any]) -> Callable[[], Any]:
    return lambda: variable.get(None)


def _setter(variable: ContextVar[Any]) -> Callable[[Any], AbstractContextManager[None]]:
    @contextmanager
    def enter(value: Any) -> Iterator[None]:
        token = variable.set(value)
        try:
            yield
        finally:
            variable.reset(token)

    return enter
