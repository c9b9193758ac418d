"""How the arguments of a call become the list of arguments in the payload."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Never

from fastkiq.errors import ArgumentError, DefinitionError
from fastkiq.typed.hints import may_convert, signature_of

if TYPE_CHECKING:
    from fastkiq.typed.plan import Plan

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """The signature of one `perform`, without `self`.

    `low` and `high` are how many positional arguments it takes: a call without keywords whose number lies between
    them needs no binding. None does while annotations may ask for converting the arguments.
    """

    __slots__ = ("_bounds", "_owner", "_perform", "_plan", "high", "inspected", "is_async", "low", "where")

    def __init__(self, where: str, owner: type, perform: Callable[..., Any], inspected: inspect.Signature) -> None:
        self.where = where
        self.inspected = inspected
        self._owner = owner
        self._perform = perform
        self._plan: Plan | None = None
        self.is_async = inspect.iscoroutinefunction(perform)
        parameters = inspected.parameters.values()
        positional = [p for p in parameters if p.kind in _POSITIONAL]
        variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
        low = sum(p.default is inspect.Parameter.empty for p in positional)
        self._bounds = (low, sys.maxsize if variadic else len(positional))
        self.low, self.high = self._bounds
        if any(may_convert(p.annotation) for p in parameters):
            self.low, self.high = sys.maxsize, -1

    @property
    def may_convert(self) -> bool:
        """Whether arguments are converted, as far as is known before the first use."""
        return self.low > self.high

    @property
    def plan(self) -> "Plan | None":
        """How arguments are converted; None when they are plain JSON. Annotations are resolved at the first use: what
        they name may be defined later than the worker."""
        if not self.may_convert:
            return None
        if self._plan is None:
            from fastkiq.typed.plan import Plan  # only here: most arguments are plain

            self._plan = Plan(self.where, self._owner, self._perform, self.inspected)
            if not self._plan.converts:
                self.low, self.high = self._bounds
                return None
        return self._plan

    def take(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        """What goes into the payload of this call. Raises ArgumentError."""
        bound, plan = self.bind(args, kwargs), self.plan
        return bound if plan is None else plan.dump(bound)

    def load(self, args: Sequence[Any]) -> Sequence[Any]:
        """What `perform` gets of the arguments in a payload. Raises ArgumentError."""
        plan = self.plan
        return args if plan is None else plan.load(args)

    def why_plain(self, parameter: str) -> str:
        """Why values of this parameter are not converted although it is annotated with another kind than JSON's."""
        return "" if self._plan is None else self._plan.reasons.get(parameter.lstrip("*"), "")

    def fits(self, count: int) -> bool:
        """Whether it takes so many positional arguments and no others."""
        low, high = self._bounds
        return low <= count <= high

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        """The positional arguments of this call; a gap before a given keyword takes its default.

        Raises ArgumentError that shows the signature.
        """
        if not kwargs and self.fits(len(args)):
            return args
        try:
            given = self.inspected.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise ArgumentError(f"{self.where}{self.inspected}: {error}") from None
        values: list[Any] = []
        gap: list[Any] = []  # defaults, written only if a given argument follows
        for name, parameter in self.inspected.parameters.items():
            if name not in given:
                gap.append(parameter.default)
                continue
            values += gap
            gap = []
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                values += given[name]
            else:
                values.append(given[name])
        return values

    def parameter(self, index: int) -> str:
        """The name of the one that takes this argument, `*rest` for one that takes many; empty when none does."""
        names = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in self.inspected.parameters.values()]
        if index < len(names):
            return names[index]
        return names[-1] if names and self._bounds[1] == sys.maxsize else ""

    def take_row(self, row: Any, number: int) -> Sequence[Any]:
        """`take` of a row of a bulk push."""
        if (type(row) is not tuple and type(row) is not list) or not self.fits(len(row)):
            self.refuse_row(row, number)
        try:
            return self.take(row, {})
        except ArgumentError as error:
            error.args = (f"row {number}: {error}",)
            raise

    def refuse_row(self, row: Any, number: int) -> Never:
        """Raises the ArgumentError for a row of a bulk push that does not fit."""
        where = f"{self.where}{self.inspected}: row {number}"
        if type(row) is not tuple and type(row) is not list:
            raise ArgumentError(f"{where} must be a list or tuple of arguments, not {type(row).__name__}")
        try:
            self.inspected.bind(*row)
        except TypeError as error:
            raise ArgumentError(f"{where}: {error}") from None
        raise ArgumentError(f"{where} does not fit")


def read(worker: type) -> Signature | None:
    """The signature of the class's `perform`; None when it has none. Raises DefinitionError when no job can call it."""
    static = inspect.getattr_static(worker, "perform", None)
    if static is None:
        return None
    perform = worker.perform  # type: ignore[attr-defined]
    where = worker.__name__ if getattr(worker, "_is_function", False) else f"{worker.__name__}.perform"
    if not callable(perform):
        raise DefinitionError(f"{where} must be a method, not {type(perform).__name__}")
    if inspect.isgeneratorfunction(perform) or inspect.isasyncgenfunction(perform):
        raise DefinitionError(f"{where} contains yield: calling it would run nothing")
    inspected = signature_of(perform)
    parameters = list(inspected.parameters.values())
    if not isinstance(static, (staticmethod, classmethod)):
        if not parameters:
            raise DefinitionError(f"{where} must take self")
        if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            parameters = parameters[1:]
    for parameter in parameters:
        _refuse_keywords(where, parameter)
    return Signature(
        where, worker, perform, inspected.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    )


def check_hook(worker: type, name: str) -> None:
    """Raises DefinitionError when the hook cannot be called on the class, or would only answer a coroutine."""
    hook = inspect.getattr_static(worker, name)
    if not isinstance(hook, (classmethod, staticmethod)):
        raise DefinitionError(f"{worker.__name__}.{name} must be a classmethod: there is no instance when it is called")
    if inspect.iscoroutinefunction(hook.__func__):
        raise DefinitionError(f"{worker.__name__}.{name} cannot be async: nobody would await it")


def refuse_unrun(answer: Any) -> None:
    """Raises TypeError when what a plain `perform` answered is code that has not run: a coroutine, a generator.

    A decorator that is no coroutine function around an `async def perform` does that. The job would seem done.
    """
    if isinstance(answer, (CoroutineType, GeneratorType)):
        answer.close()
    elif not isinstance(answer, AsyncGeneratorType):
        return
    kind = type(answer).__name__
    raise TypeError(f"perform answered a {kind} that nobody runs; is it an async def under a plain wrapper?")


def _refuse_keywords(where: str, parameter: inspect.Parameter) -> None:
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        raise DefinitionError(f"{where}: {parameter.name} is keyword-only, but a job's arguments travel as a list")
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        raise DefinitionError(f"{where}: **{parameter.name} cannot work: a job's arguments travel as a list")
