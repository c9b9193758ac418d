"""Classes with named fields: dataclasses and TypedDicts. They travel as objects."""

from collections.abc import Callable, Mapping
from typing import Any

from fastkiq.typed.converter import Converter
from fastkiq.typed.misfit import Misfit, wanted


class Record(Converter):
    """Fields by name, some of which may be left out. Others than these are refused: they would be lost."""

    kinds = frozenset({"object"})

    def __init__(self, name: str, fields: Mapping[str, Converter], required: frozenset[str]) -> None:
        self._name = name
        self._fields = fields
        self._required = required

    def accepts(self, value: Any) -> bool:
        return type(value) is dict

    def dumped(self, value: Any) -> Any:
        return self._converted(value, lambda converter, each: converter.dump(each))

    def load(self, value: Any) -> Any:
        if type(value) is not dict:
            raise wanted(f"an object ({self._name})", value)
        return self._converted(value, lambda converter, each: converter.load(each))

    def _converted(self, value: dict[str, Any], convert: Callable[[Converter, Any], Any]) -> dict[str, Any]:
        converted = {}
        for name, each in value.items():
            field = self._fields.get(name)
            if field is None:
                raise Misfit(f"{self._name} has no such field", f".{name!s:.60}")
            converted[name] = _in(name, convert, field, each)
        for name in self._required - value.keys():
            raise Misfit(f"{self._name} wants this field", f".{name}")
        return converted


class Data(Record):
    """A dataclass, by the fields that its constructor takes."""

    def __init__(self, kind: type, fields: Mapping[str, Converter], required: frozenset[str]) -> None:
        super().__init__(kind.__qualname__, fields, required)
        self._kind = kind

    def accepts(self, value: Any) -> bool:
        return type(value) is self._kind  # of a subclass, fields of its own would be lost

    def dumped(self, value: Any) -> Any:
        return {
            name: _in(name, lambda field, each: field.dump(each), field, getattr(value, name, None))
            for name, field in self._fields.items()
        }

    def load(self, value: Any) -> Any:
        if self.accepts(value):
            return value
        fields = super().load(value)
        try:
            return self._kind(**fields)
        except Misfit:
            raise
        except Exception as error:  # what its __post_init__ raises
            raise Misfit(f"{self._name} refuses it: {type(error).__name__}: {error}") from error


def _in(name: str, convert: Callable[[Converter, Any], Any], field: Converter, value: Any) -> Any:
    try:
        return convert(field, value)
    except Misfit as misfit:
        raise misfit.under(f".{name}") from misfit.__cause__
