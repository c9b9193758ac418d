"""What annotations mean: whether they may ask for converting, and what those written as text stand for."""

import builtins
import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, ForwardRef, Union, get_args, get_origin

_PLAIN: Final = (str, int, float, bool, None, type(None), Any, object, list, dict, inspect.Parameter.empty)
_PLAIN_WORDS: Final = frozenset({"str", "int", "float", "bool", "None", "Any", "object", "list", "dict"})
_WORDS: Final = re.compile(r"(?:typing\.)?(\w+)|[\[\]|, ]+")


def may_convert(annotation: Any) -> bool:
    """Whether values of it may be other than plain JSON: a quick look, which resolves nothing."""
    if isinstance(annotation, str):
        at = 0
        while found := _WORDS.match(annotation, at):
            if found[1] is not None and found[1] not in _PLAIN_WORDS:
                return True
            at = found.end()
        return at < len(annotation)
    if get_origin(annotation) in (list, dict, Union, types.UnionType):
        return any(may_convert(each) for each in get_args(annotation))
    try:
        return annotation not in _PLAIN
    except Exception:  # of a foreign class, whose comparison fails
        return True


class Unresolved(Exception):
    """A name in an annotation stands for nothing at run time."""


class Namespace:
    """Where the names in annotations are looked up: those of a function, or of a class."""

    def __init__(self, module: Mapping[str, Any], around: Mapping[str, Any]) -> None:
        self._module = dict(module)
        self._around = dict(around)

    def resolve(self, annotation: Any) -> Any:
        """What it stands for if it is a text or a reference. Raises Unresolved."""
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        failure: Exception | None = None
        # The class second: one that has an attribute `list` still means the list of Python.
        for names in ({}, self._around):
            try:
                return eval(annotation, self._module, dict(names))  # the program's own source
            except Exception as error:
                failure = failure or error
        reason = f"{type(failure).__name__}: {failure}"
        raise Unresolved(f"its annotation {annotation!r:.80} stands for nothing at run time ({reason})")


def namespace_of_function(perform: Callable[..., Any], owner: type) -> Namespace:
    """Where `perform` of this worker looks names up."""
    function = inspect.unwrap(perform)
    function = getattr(function, "__func__", function)
    return Namespace(getattr(function, "__globals__", vars(builtins)), vars(owner))


def namespace_of_class(kind: type) -> Namespace:
    """Where the annotations of a class's fields look names up."""
    module = sys.modules.get(kind.__module__)
    return Namespace({} if module is None else vars(module), {kind.__name__: kind, **vars(kind)})


def fields_of(kind: type) -> dict[str, tuple[Any, Namespace]]:
    """The annotations of a class and its bases, each with where its names are looked up."""
    found: dict[str, tuple[Any, Namespace]] = {}
    for base in reversed(kind.__mro__):
        names = namespace_of_class(base)
        found |= {name: (annotation, names) for name, annotation in _annotations(base).items()}
    return found


def signature_of(perform: Callable[..., Any]) -> inspect.Signature:
    """Its signature, whose annotations may name what is not there."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(perform, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(perform)


def _annotations(kind: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(kind, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(kind)
