"""One of several annotations, told apart by the kind of their JSON."""

from collections.abc import Iterable
from typing import Any

from fastkiq.typed.converter import Converter, kind_of
from fastkiq.typed.misfit import Misfit, Unconvertible, wanted


class Union(Converter):
    """Raises Unconvertible when members that JSON cannot tell apart would have to be."""

    def __init__(self, name: str, members: Iterable[Converter]) -> None:
        self._name = name
        self._members = sorted(members, key=lambda member: member.plain)
        self._by_kind: dict[str, Converter] = {}
        self.plain = all(member.plain for member in self._members)
        for member in self._members:
            for kind in member.kinds:
                other = self._by_kind.setdefault(kind, member)
                if other is not member and not (other.plain and member.plain):
                    raise Unconvertible(f"in JSON the members of {name} cannot be told apart: two may be a {kind}")
        self.kinds = frozenset(self._by_kind)

    def accepts(self, value: Any) -> bool:
        return any(member.accepts(value) for member in self._members)

    def dumped(self, value: Any) -> Any:
        misfit: Misfit | None = None
        for member in self._members:
            if member.accepts(value):
                try:
                    return member.dumped(value)
                except Misfit as one:
                    misfit = misfit or one
        raise misfit or wanted(self._name, value)

    def load(self, value: Any) -> Any:
        member = self._by_kind.get(kind_of(value) or "")
        if member is not None and not member.plain:
            return member.load(value)
        for each in self._members:
            if each.accepts(value):
                return each.load(value)
        raise wanted(self._name, value)
