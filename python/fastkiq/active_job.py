"""Jobs of Rails' Active Job: what `perform` gets of their serialised arguments, and what is shown of them.

Sidekiq's adapter enqueues a wrapper. The payload's `wrapped` names the class of the job, and its one argument is a hash
whose `arguments` Rails has serialised: plain JSON, with markers (`_aj_...`) in each hash and for each object. Markers
only say how a value is to be read: nothing is imported, evaluated or looked up because a payload names it.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fastkiq.errors import ArgumentError

if TYPE_CHECKING:
    from fastkiq.registry import Entry

WRAPPERS: Final = ("Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper")
"""As which class the adapter enqueues: since Sidekiq 8, and before."""

_GLOBAL_ID: Final = "_aj_globalid"
_OBJECT: Final = "_aj_serialized"
_KEYWORDS: Final = "_aj_ruby2_keywords"
_MARKERS: Final = frozenset({_KEYWORDS, "_aj_symbol_keys", "_aj_hash_with_indifferent_access"})
_MAILERS: Final = ("ActionMailer::DeliveryJob", "ActionMailer::MailDeliveryJob")
_RAILS_OWN: Final = "ActiveJob::Serializers::"


def arguments(entry: "Entry", args: list[Any]) -> Sequence[Any]:
    """What `perform` gets, in its order; `args` are those of the payload.

    Keywords of the call in Ruby are those of `perform`. When it has no parameter by any of these names they are one
    dict, the last argument, as for a Ruby method without keywords. Raises ArgumentError with the path of a value that
    has no counterpart here, or with the signature when keywords do not fit it.
    """
    stored = _stored(args)
    if stored is None:
        raise ArgumentError("Active Job's payload has no list of arguments")
    values = [_value(each, "arguments", index) for index, each in enumerate(stored)]
    if not _has_keywords(stored):
        return values
    *positional, keywords = values
    signature = entry.signature
    if not keywords or signature is None:
        return positional
    parameters = signature.inspected.parameters.values()
    names = {each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return values if names.isdisjoint(keywords) else signature.bind(positional, keywords)


def shown(args: Any) -> list[Any]:
    """The arguments as plain JSON for people: without markers, objects by what they hold. Empty when there are none."""
    return [_shown(each) for each in _stored(args) or ()]


def repair(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What must change of a wrapper that cannot be unwrapped, or Sidekiq's pages, which do it, would trip over it.

    The class is kept as what is shown. No Rails enqueues such a job, and none could run it.
    """
    if payload.get("class") not in WRAPPERS:
        return {}
    args, wrapped = payload.get("args"), payload.get("wrapped")
    first = args[0] if isinstance(args, list) and args else None
    if _unwraps(wrapped, first):
        return {}
    shown = wrapped if isinstance(wrapped, str) and wrapped else payload["class"]
    # A text in the place of the hash would be taken for the class if there were no `wrapped`.
    return {"display_class": shown, "wrapped": "" if isinstance(first, str) else None}


def _unwraps(wrapped: Any, first: Any) -> bool:
    """A mailer's arguments are looked into: the class and the method come first, those of the method fourth."""
    is_named = wrapped is not None and wrapped is not False
    if isinstance(first, str):
        return (wrapped if is_named else first) not in _MAILERS
    if not isinstance(first, dict):
        return not is_named
    if wrapped not in _MAILERS:
        return True
    stored = first.get("arguments")
    if not isinstance(stored, list):
        return False
    return wrapped == _MAILERS[0] or (len(stored) > 3 and isinstance(stored[3], dict))


def _stored(args: Any) -> list[Any] | None:
    inner = args[0] if isinstance(args, list) and len(args) == 1 else None
    stored = inner.get("arguments") if isinstance(inner, dict) else None
    return stored if isinstance(stored, list) else None


def _has_keywords(stored: list[Any]) -> bool:
    last = stored[-1] if stored else None
    return isinstance(last, dict) and _KEYWORDS in last and _OBJECT not in last


def _value(stored: Any, where: str, key: int | str) -> Any:
    """What the value under `key` of `where` stands for."""
    if not isinstance(stored, (list, dict)):
        return stored
    path = f"{where}[{key!r:.60}]"
    if isinstance(stored, list):
        return [_value(each, path, index) for index, each in enumerate(stored)]
    if _OBJECT in stored:
        return _object(stored, path)
    if stored.keys() == {_GLOBAL_ID}:
        raise ArgumentError(f"{path} is a GlobalID, {stored[_GLOBAL_ID]!r:.200}: a record that only Rails can find")
    return {name: _value(each, path, name) for name, each in stored.items() if name not in _MARKERS}


def _object(stored: dict[str, Any], path: str) -> Any:
    serializer, value = stored[_OBJECT], stored.get("value")
    kind = serializer.removeprefix(_RAILS_OWN).removesuffix("Serializer") if isinstance(serializer, str) else ""
    read = _READERS.get(kind) if serializer == f"{_RAILS_OWN}{kind}Serializer" else None
    if read is None:
        raise ArgumentError(f"{path} is an object of {serializer!r:.200}, which has no counterpart in Python")
    try:
        return read(value)
    except (TypeError, ValueError, ArithmeticError):
        raise ArgumentError(f"{path} is a {kind} that cannot be read: {value!r:.80}") from None


def _shown(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_shown(each) for each in stored]
    if not isinstance(stored, dict):
        return stored
    if stored.keys() == {_GLOBAL_ID}:
        return _shown(stored[_GLOBAL_ID])
    if _OBJECT in stored and "value" in stored:
        return _shown(stored["value"])
    return {name: _shown(each) for name, each in stored.items() if name not in _MARKERS and name != _OBJECT}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _moment(value: Any) -> datetime:
    """Rails writes nanoseconds, of which the last three digits have no place here, and always an offset."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _decimal(value: Any) -> Any:
    from decimal import Decimal  # a millisecond that enqueueing programs need not spend

    return Decimal(_text(value))


def _duration(value: Any) -> timedelta:
    """Months and years are of Rails' average length, as its `to_i` has them."""
    if type(value) is not int and type(value) is not float:
        raise TypeError
    return timedelta(seconds=value)


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "Symbol": _text,
    "Date": date.fromisoformat,
    "Time": _moment,
    "DateTime": _moment,
    "TimeWithZone": _moment,
    "BigDecimal": _decimal,
    "Duration": _duration,
}
