"""Pydantic's models and dataclasses, by their own rules. Pydantic is used when the user's code has loaded it."""

import sys
from inspect import signature
from typing import Any

from fastkiq import _core
from fastkiq.errors import ArgumentError
from fastkiq.typed.converter import KINDS, Converter
from fastkiq.typed.misfit import Misfit, Unconvertible, wanted


class Model(Converter):
    """A model, or what else Pydantic can validate: a dataclass of its own, or what its `Field` annotates.

    Written by the names of the fields; read by these or their aliases. Read as JSON and not as Python objects, since
    strict models take a text for a date only there. Raises Unconvertible.
    """

    def __init__(self, annotation: Any, kind: type | None) -> None:
        self._kind = kind
        try:
            self._adapter = sys.modules["pydantic"].TypeAdapter(annotation)
        except Exception as error:  # its annotations are not all there, say
            raise Unconvertible(f"Pydantic: {type(error).__name__}: {error}") from None
        self._name = kind.__qualname__ if kind is not None else str(annotation)
        self.kinds = frozenset({"object"}) if _is_object(kind) else KINDS
        both = "by_name" in signature(self._adapter.validate_json).parameters  # since Pydantic 2.11
        self._reading = {"by_alias": True, "by_name": True} if both else {}
        self._writing = {"mode": "json", "by_alias": not both, "round_trip": True, "warnings": "error"}

    def accepts(self, value: Any) -> bool:
        return self._kind is None or type(value) is self._kind  # of a subclass, fields of its own would be lost

    def dump(self, value: Any) -> Any:
        if self._kind is None and _is_json(value):
            self.load(value)
            return value
        return super().dump(value)

    def dumped(self, value: Any) -> Any:
        try:
            checked = value if self._kind is not None else self._adapter.validate_python(value)
            return self._adapter.dump_python(checked, **self._writing)
        except Exception as error:
            raise self._misfit(error) from error

    def load(self, value: Any) -> Any:
        if self._kind is not None and self.accepts(value):
            return value
        try:
            return self._adapter.validate_json(_core.encode(value), **self._reading)
        except ArgumentError:
            raise wanted(f"a {self._name}", value) from None
        except Exception as error:
            raise self._misfit(error) from error

    def _misfit(self, error: Exception) -> Misfit:
        """The first that Pydantic complains of, and how many others there are."""
        pydantic = sys.modules["pydantic"]
        if not isinstance(error, pydantic.ValidationError):
            return Misfit(f"{self._name} refuses it: {type(error).__name__}: {error}")
        first, *others = error.errors(include_url=False, include_context=False, include_input=False)
        path = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        return Misfit(f"{first['msg']}{more}", path)


def model_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Model | None:
    """The converter of an annotation that is Pydantic's; None of any other."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return None
    if isinstance(annotation, type) and (
        issubclass(annotation, pydantic.BaseModel) or "__pydantic_validator__" in vars(annotation)
    ):
        return Model(annotation, annotation)
    if any(type(each).__module__.partition(".")[0] == "pydantic" for each in metadata):
        return Model(annotation, None)
    return None


def _is_json(value: Any) -> bool:
    try:
        _core.encode(value)
    except ArgumentError:
        return False
    return True


def _is_object(kind: type | None) -> bool:
    return kind is not None and not issubclass(kind, sys.modules["pydantic"].RootModel)
