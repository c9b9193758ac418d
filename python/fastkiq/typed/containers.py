"""Lists, tuples, sets and objects whose parts may need converting."""

from collections.abc import Iterable
from typing import Any

from fastkiq import _core
from fastkiq.errors import ArgumentError
from fastkiq.typed.converter import Converter
from fastkiq.typed.misfit import Misfit, wanted


class Many(Converter):
    """Any number of values of one kind, in a list, tuple or set. They travel as a list, sets ordered by their JSON."""

    kinds = frozenset({"list"})

    def __init__(self, make: type, item: Converter) -> None:
        self._make = make
        self._item = item
        self._is_set = make in (set, frozenset)
        self._accepted = (list, tuple, set, frozenset) if self._is_set else (list, tuple)
        self.plain = item.plain and make is list

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self._accepted)

    def dumped(self, value: Any) -> Any:
        items = [_at(index, self._item.dump, each) for index, each in enumerate(value)]
        if not self._is_set:
            return items
        try:
            return sorted(items, key=_core.encode)
        except ArgumentError:  # one is no JSON, which is told with its path later
            return items

    def load(self, value: Any) -> Any:
        if not self.accepts(value):
            raise wanted("a list", value)
        items = [_at(index, self._item.load, each) for index, each in enumerate(value)]
        try:
            return items if self._make is list else self._make(items)
        except TypeError as error:  # unhashable
            raise Misfit(f"{error}, so it cannot be in a set") from None


class Row(Converter):
    """A tuple of so many values, each of a kind of its own."""

    kinds = frozenset({"list"})

    def __init__(self, items: Iterable[Converter]) -> None:
        self._items = list(items)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, (list, tuple))

    def dumped(self, value: Any) -> Any:
        return [_at(index, item.dump, each) for index, item, each in self._paired(value)]

    def load(self, value: Any) -> Any:
        if not self.accepts(value):
            raise wanted("a list", value)
        return tuple(_at(index, item.load, each) for index, item, each in self._paired(value))

    def _paired(self, value: Any) -> Iterable[tuple[int, Converter, Any]]:
        if len(value) != len(self._items):
            raise Misfit(f"a list of {len(self._items)} is wanted, not of {len(value)}")
        return zip(range(len(value)), self._items, value, strict=True)


class Table(Converter):
    """A dict with texts as its keys and values of one kind."""

    kinds = frozenset({"object"})

    def __init__(self, item: Converter) -> None:
        self._item = item
        self.plain = item.plain

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict)

    def dumped(self, value: Any) -> Any:
        return {_key(key): _at(key, self._item.dump, each) for key, each in value.items()}

    def load(self, value: Any) -> Any:
        if not self.accepts(value):
            raise wanted("an object", value)
        return {key: _at(key, self._item.load, each) for key, each in value.items()}


def _at(key: object, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except Misfit as misfit:
        raise misfit.under(f"[{key!r:.60}]") from None


def _key(key: Any) -> Any:
    if type(key) is not str:
        raise wanted("a text as a key", key)
    return key
