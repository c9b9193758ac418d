"""A function as a worker."""

import functools
import types
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from fastkiq.bound import Bound
from fastkiq.errors import DefinitionError
from fastkiq.worker import Worker, WorkerOptions

P = ParamSpec("P")
R = TypeVar("R")


class JobFunction(Bound[P], Generic[P, R]):
    """A function that can also be enqueued. Calling it calls the function."""

    def __init__(self, function: Callable[P, R], worker: type[Worker]) -> None:
        entry = worker.__fastkiq__
        super().__init__(entry.name, worker, entry.signature, entry.options, lasting=True)
        entry.bound = self
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name}>"


@overload
def job(function: Callable[P, R], /) -> JobFunction[P, R]: ...
@overload
def job(**options: Unpack[WorkerOptions]) -> Callable[[Callable[P, R]], JobFunction[P, R]]: ...
def job(function: Callable[..., Any] | None = None, /, **options: Unpack[WorkerOptions]) -> Any:
    """Makes a function a worker, bare or with the options of a Worker's class.

        @fastkiq.job(queue="mail", retry=3)
        def send(to: str) -> None: ...

        send.perform_async("a@example.org")

    Inside, `fastkiq.current_job()` tells which job runs. Raises DefinitionError when the function cannot be one.
    """
    if function is None:
        return functools.partial(_make, options)
    return _make(options, function)


def _make(options: WorkerOptions, function: Any) -> JobFunction[..., Any]:
    if isinstance(function, type) or not callable(function) or not hasattr(function, "__qualname__"):
        raise DefinitionError(f"@fastkiq.job goes on a function, not on {function!r:.80}")
    if function.__name__ == "<lambda>" and "name" not in options:
        raise DefinitionError("a lambda has no name of its own for the payload: give it name=...")
    body = {
        "perform": staticmethod(function),
        "_is_function": True,  # what is wrong with it is said in its own name
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    worker = types.new_class(function.__name__, (Worker,), dict(options), lambda namespace: namespace.update(body))
    return JobFunction(function, worker)
