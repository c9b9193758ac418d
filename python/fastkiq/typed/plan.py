"""The converters of one `perform`."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastkiq.errors import ArgumentError
from fastkiq.typed.build import Builder
from fastkiq.typed.converter import Converter
from fastkiq.typed.hints import Unresolved, may_convert, namespace_of_function
from fastkiq.typed.misfit import Misfit, Unconvertible


class Plan:
    """Which arguments are converted, and how.

    `reasons` says of parameters that are annotated with other kinds than JSON's why they stay plain all the same.
    """

    def __init__(self, where: str, owner: type, perform: Callable[..., Any], inspected: inspect.Signature) -> None:
        self.reasons: dict[str, str] = {}
        self._where = where
        self._parameters = list(inspected.parameters.values())
        builder, names = Builder(), namespace_of_function(perform, owner)
        self._converters: list[Converter | None] = []
        for parameter in self._parameters:
            converter = None
            if may_convert(parameter.annotation):
                try:
                    converter = builder.build_with(parameter.annotation, names, parameter.default)
                except (Unconvertible, Unresolved) as error:
                    self.reasons[parameter.name] = str(error)
            self._converters.append(None if converter is None or converter.plain else converter)
        self.converts = any(converter is not None for converter in self._converters)

    def dump(self, args: Sequence[Any]) -> list[Any]:
        """The arguments of a call as JSON. Raises ArgumentError that names parameter and field."""
        return self._converted(args, lambda converter, value: converter.dump(value))

    def load(self, args: Sequence[Any]) -> list[Any]:
        """What `perform` gets of the arguments of a payload. Raises ArgumentError."""
        return self._converted(args, lambda converter, value: converter.load(value))

    def _converted(self, args: Sequence[Any], convert: Callable[[Converter, Any], Any]) -> list[Any]:
        converted = []
        for value, (parameter, converter) in zip(args, self._each(len(args)), strict=True):
            try:
                converted.append(value if converter is None else convert(converter, value))
            except Misfit as misfit:
                raise ArgumentError(
                    f"{self._where}({parameter}): {parameter}{misfit.path}: {misfit.message}"
                ) from misfit.__cause__
            except RecursionError:
                raise ArgumentError(f"{self._where}({parameter}): {parameter} holds itself, or is too deep") from None
        return converted

    def _each(self, count: int) -> Iterator[tuple[str, Converter | None]]:
        """Name and converter for each of so many arguments; those that nobody takes have none."""
        for index in range(count):
            at = min(index, len(self._parameters) - 1)
            if at < 0 or (at < index and self._parameters[at].kind is not inspect.Parameter.VAR_POSITIONAL):
                yield "", None
            else:
                star = "*" if self._parameters[at].kind is inspect.Parameter.VAR_POSITIONAL else ""
                yield f"{star}{self._parameters[at].name}", self._converters[at]
