"""From an annotation to its converter."""

import dataclasses
import types
import typing
from collections.abc import Hashable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, NewType, NotRequired, Required, TypeVar, get_args, get_origin

from fastkiq.typed import unions
from fastkiq.typed.containers import Many, Row, Table
from fastkiq.typed.converter import ANYTHING, NOTHING, PLAIN, Choice, Converter, Later, kind_of
from fastkiq.typed.hints import Namespace, fields_of
from fastkiq.typed.misfit import Unconvertible
from fastkiq.typed.models import model_of
from fastkiq.typed.records import Data, Record
from fastkiq.typed.scalars import SCALARS, Members

_LISTS = (list, Sequence, MutableSequence)
_SETS = {set: set, MutableSet: set, frozenset: frozenset, Set: frozenset}
_TABLES = (dict, Mapping, MutableMapping)


class Builder:
    """Makes converters; `made` has those of classes, which may hold themselves."""

    def __init__(self) -> None:
        self._made: dict[type, Converter] = {}
        self._open: set[Hashable] = set()
        self._looped: set[Hashable] = set()

    def build(self, annotation: Any, names: Namespace) -> Converter:
        """The converter of an annotation whose names are looked up there. Raises Unconvertible, Unresolved."""
        if isinstance(annotation, (str, ForwardRef)):
            return self._named_as((str(annotation), id(names)), names.resolve(annotation), names)
        if (plain := _plain(annotation)) is not None:
            return plain
        if isinstance(annotation, TypeVar):
            return ANYTHING
        if isinstance(annotation, NewType):
            return self.build(annotation.__supertype__, names)
        if hasattr(annotation, "__value__"):  # `type Name = ...` of Python 3.12
            return self._named_as(annotation, annotation.__value__, names)
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._annotated(annotation, args, names)
        if origin in (Required, NotRequired):
            return self.build(args[0], names)
        if origin is Literal:
            if any(kind_of(each) is None for each in args):
                raise Unconvertible(f"{annotation} has values that are no JSON")
            return Choice(args)
        if origin in (typing.Union, types.UnionType):
            return unions.Union(_shown(annotation), [self.build(each, names) for each in args])
        return self._class(origin or annotation, args, names)

    def build_with(self, annotation: Any, names: Namespace, default: object) -> Converter:
        """The same, of a parameter or field with a default: None is as good as a member, even if nobody says so."""
        converter = self.build(annotation, names)
        if default is not None or "null" in converter.kinds:
            return converter
        return unions.Union(_shown(annotation), [converter, NOTHING])

    def _named_as(self, key: Hashable, annotation: Any, names: Namespace) -> Converter:
        """What a name stands for. One that holds itself, as an alias for JSON does, must be plain JSON all through."""
        if key in self._open:
            self._looped.add(key)
            return ANYTHING
        self._open.add(key)
        try:
            made = self.build(annotation, names)
        finally:
            self._open.discard(key)
        if key in self._looped and not made.plain:
            raise Unconvertible(f"{_shown(annotation)} holds itself, which only a class may")
        return made

    def _annotated(self, annotation: Any, args: tuple[Any, ...], names: Namespace) -> Converter:
        """What the first part says, by Pydantic's rules where they are needed: its `Field` may tell models apart."""
        by_pydantic = model_of(annotation, args[1:])
        try:
            inner = self.build(args[0], names)
        except Unconvertible:
            if by_pydantic is None:
                raise
            return by_pydantic
        return inner if inner.plain or by_pydantic is None else by_pydantic

    def _class(self, kind: Any, args: tuple[Any, ...], names: Namespace) -> Converter:
        if not isinstance(kind, Hashable):
            raise Unconvertible(f"{kind!r:.80} is no annotation")
        if kind in SCALARS:
            return SCALARS[kind]
        if kind in _LISTS:
            return Many(list, self._one(args, names))
        if kind in _SETS:
            return Many(_SETS[kind], self._one(args, names))
        if kind is tuple:
            if not args or (len(args) == 2 and args[1] is Ellipsis):
                return Many(tuple, self._one(args, names))
            return Row(self.build(each, names) for each in args if each != ())
        if kind in _TABLES:
            if args and self.build(args[0], names) is not PLAIN[str]:
                raise Unconvertible("the keys of an object in JSON are texts")
            return Table(self._one(args[1:], names))
        if not isinstance(kind, type):
            raise Unconvertible(f"{_shown(kind)} is not among what can be converted")
        return self._made[kind] if kind in self._made else self._named(kind)

    def _one(self, args: tuple[Any, ...], names: Namespace) -> Converter:
        return self.build(args[0], names) if args else ANYTHING

    def _named(self, kind: type) -> Converter:
        if model := model_of(kind):
            self._made[kind] = model
            return model
        if issubclass(kind, Enum):
            return Members(kind)
        if not dataclasses.is_dataclass(kind) and not typing.is_typeddict(kind):
            raise Unconvertible(f"{_shown(kind)} is not among what can be converted")
        later = self._made[kind] = Later()
        try:
            later.made = self._data(kind) if dataclasses.is_dataclass(kind) else self._typed_dict(kind)
        finally:
            del self._made[kind]  # another one is made where it is met again: this one may have failed
        self._made[kind] = later.made
        return later.made

    def _data(self, kind: type) -> Converter:
        hints = fields_of(kind)
        fields, required = {}, set()
        if any(each._field_type is dataclasses._FIELD_INITVAR for each in kind.__dataclass_fields__.values()):  # type: ignore[attr-defined]
            raise Unconvertible(f"{kind.__qualname__} has an InitVar, which its values do not keep")
        for field in dataclasses.fields(kind):
            if field.init:
                fields[field.name] = self._field(
                    kind, field.name, *hints.get(field.name, (field.type, None)), default=field.default
                )
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                    required.add(field.name)
        return Data(kind, fields, frozenset(required))

    def _typed_dict(self, kind: Any) -> Converter:
        fields, required = {}, set(kind.__required_keys__)
        for name, (annotation, names) in fields_of(kind).items():
            fields[name] = self._field(kind, name, annotation, names)
            said = get_origin(names.resolve(annotation))  # as a text, Python has not seen it
            required = required - {name} if said is NotRequired else required | {name} if said is Required else required
        return Record(kind.__qualname__, fields, frozenset(required))

    def _field(
        self, kind: type, name: str, annotation: Any, names: Namespace | None, *, default: object = ...
    ) -> Converter:
        try:
            return self.build_with(annotation, names or Namespace({}, {}), default)
        except Unconvertible as error:
            raise Unconvertible(f"{kind.__qualname__}.{name}: {error}") from None


def _plain(annotation: Any) -> Converter | None:
    try:
        return PLAIN.get(annotation)
    except TypeError:  # what annotates it cannot be hashed
        return None


def _shown(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
