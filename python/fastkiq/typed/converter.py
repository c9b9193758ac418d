"""What a converter is, and those of JSON's own kinds."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, Final

from fastkiq.typed.misfit import wanted

KINDS: Final = frozenset({"null", "boolean", "number", "string", "list", "object"})


def kind_of(value: Any) -> str | None:
    """Which kind of JSON this is; None when it is none."""
    if value is None:
        return "null"
    for kind, types in _TYPES.items():
        if type(value) in types:
            return kind
    return None


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "string": (str,),
    "number": (int, float),
    "list": (list,),
    "object": (dict,),
}


class Converter(ABC):
    """Between the values of one annotation and JSON."""

    kinds: frozenset[str]
    """What their JSON may be."""
    plain = False
    """Whether they are JSON as they are."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether this is one of the values."""

    @abstractmethod
    def dumped(self, value: Any) -> Any:
        """The JSON of one of the values. Raises Misfit."""

    @abstractmethod
    def load(self, value: Any) -> Any:
        """The value that this JSON stands for; one of the values stands for itself. Raises Misfit."""

    def dump(self, value: Any) -> Any:
        """What travels: the value as JSON, or JSON that already stands for one. Raises Misfit."""
        if self.accepts(value):
            return self.dumped(value)
        self.load(value)
        return value


class Plain(Converter):
    """JSON as it is, of some kinds, or of all."""

    plain = True

    def __init__(self, name: str, types: tuple[type, ...], kinds: Collection[str] = KINDS) -> None:
        self._name = name
        self._types = types
        self.kinds = frozenset(kinds)

    def accepts(self, value: Any) -> bool:
        return not self._types or type(value) in self._types

    def dumped(self, value: Any) -> Any:
        return value

    def load(self, value: Any) -> Any:
        if self.accepts(value):
            return value
        raise wanted(self._name, value)


ANYTHING: Final = Plain("JSON", ())
NOTHING: Final = Plain("null", (type(None),), ["null"])
PLAIN: Final[dict[Any, Plain]] = {
    None: NOTHING,
    type(None): NOTHING,
    Any: ANYTHING,
    object: ANYTHING,
    str: Plain("a text", (str,), ["string"]),
    bool: Plain("true or false", (bool,), ["boolean"]),
    int: Plain("a whole number", (int, bool), ["number", "boolean"]),
    float: Plain("a number", (float, int, bool), ["number", "boolean"]),
    list: Plain("a list", (list,), ["list"]),
    dict: Plain("an object", (dict,), ["object"]),
}


class Choice(Plain):
    """One of some texts, numbers or flags: a `Literal`."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        super().__init__(f"one of {', '.join(map(repr, values))}", tuple({type(value) for value in values}))
        self.kinds = frozenset(kind for value in values if (kind := kind_of(value)))
        self._values = values

    def accepts(self, value: Any) -> bool:
        return any(type(value) is type(each) and value == each for each in self._values)


class Later(Converter):
    """The place of a converter that is still being made: of a class that holds itself."""

    kinds = frozenset({"object"})
    made: Converter

    def accepts(self, value: Any) -> bool:
        return self.made.accepts(value)

    def dumped(self, value: Any) -> Any:
        return self.made.dumped(value)

    def load(self, value: Any) -> Any:
        return self.made.load(value)
