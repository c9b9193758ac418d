"""What entries are wanted: the filters that the listings and the actions share."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from fastkiq.job import Job

# What every JSON encoder writes as it is inside of a string: only such texts can be looked for in stored bytes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_ .;,=()@#*!?$%~^|-]+")
# Of arguments as they are shown, where commas and colons may be separators, and numbers may be written in another way:
# with an exponent or a fraction, or as 1e999.
_WORDS: Final = re.compile(r"[A-Za-z_ ;=()@#*!?$%~^|]+")
_INFINITY: Final = "Infinity"
_REAL: Final = re.compile(rb"[\[,:\s]-?[0-9]+[.eE]")
_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b|\d+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_SIGNATURE: Final = 200
_MOST_NEEDLES: Final = 4
"""Of one text: each costs its look."""


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold. Texts are compared with regard to case; an empty one means no condition."""

    class_name: str = ""
    """Part of the class name."""
    queue: str = ""
    """The whole name of the queue."""
    error: str = ""
    """Part of `error_class: error_message`."""
    argument: str = ""
    """Part of the arguments as compact JSON, their brackets left out."""
    tag: str = ""
    """One whole tag."""
    jid: str = ""
    """The whole jid."""
    text: str = ""
    """Part of the stored payload, whatever it is."""
    group: str = ""
    """The whole `signature` of its error."""

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    def needles(self) -> Iterator[bytes]:
        """Texts that the bytes of each wanted entry hold: for a first look, by Redis, that decodes nothing."""
        for value in (self.queue, self.tag, self.jid):
            if value and _PLAIN.fullmatch(value):
                yield f'{value}"'.encode()  # not with the first quote: a text is looked for by its first byte
        yield from _longest(_PLAIN.findall(self.class_name))
        # A colon may be the one between class and message, and a `#` the place of a number.
        yield from _longest(piece for each in self.error.split(":") for piece in _PLAIN.findall(each.strip()))
        yield from _longest(piece for each in re.split(r"[:#]", self.group) for piece in _PLAIN.findall(each.strip()))
        yield from _longest(word for word in _WORDS.findall(self.argument) if len(word) > 1 and word not in _INFINITY)
        if self.text:
            yield self.text.encode("utf-8", "surrogatepass")

    def glance(self, raw: bytes) -> bool:
        """Whether an entry that holds the needles may be wanted: a second look, without decoding."""
        if not self.argument:
            return True
        return all(digits in raw for digits in _digits(self.argument)) or _REAL.search(raw) is not None

    def matches(self, job: Job) -> bool:
        """Whether a job is wanted."""
        return self.accepts(job.payload, job.raw, job.queue)

    def accepts(self, payload: dict[str, Any], raw: bytes, queue: str | None = None) -> bool:
        """Whether the job with this payload is wanted; `queue` is that in which it was found."""
        return (
            (not self.queue or self.queue == (queue if queue is not None else _text(payload, "queue")))
            and (not self.jid or self.jid == _text(payload, "jid"))
            and (not self.class_name or self.class_name in Job.class_of(payload))
            and (not self.tag or _is_in(self.tag, payload.get("tags")))
            and (not self.error or self.error in _error(payload))
            and (not self.group or self.group == signature_of(payload))
            and (not self.argument or self.argument in argument_text(Job.args_of(payload)))
            and (not self.text or self.text.encode("utf-8", "surrogatepass") in raw)
        )


def error_text(job: Job) -> str:
    """`error_class: error_message`, or what there is of it."""
    return _error(job.payload)


def argument_text(args: list[Any]) -> str:
    """The arguments as compact JSON, without the brackets around them."""
    return json.dumps(args, ensure_ascii=False, separators=(",", ":"))[1:-1]


def signature(job: Job) -> str:
    """What errors of one kind have in common: the class, and the message's first line with `#` for each number and id.

    Without control characters, and spaces at its ends: forms and links would change them. Empty for a job without an
    error.
    """
    return signature_of(job.payload)


def signature_of(payload: dict[str, Any]) -> str:
    """The `signature` of a job with this payload."""
    message = _text(payload, "error_message").partition("\n")[0]
    return _signature(_text(payload, "error_class")[:_LONGEST_SIGNATURE], message[:_LONGEST_SIGNATURE])


@lru_cache(maxsize=4_096)
def _signature(kind: str, message: str) -> str:
    kind, message = (_CONTROLS.sub("\ufffd", text).strip() for text in (kind, message))
    return ": ".join(part for part in (kind, _NUMBERS.sub("#", message)) if part)


def _longest(texts: Iterable[str]) -> list[bytes]:
    """The longer one is, the fewer entries hold it."""
    some = sorted((text for text in texts if text.strip()), key=len, reverse=True)
    return [text.encode() for text in some[:_MOST_NEEDLES]]


@lru_cache(maxsize=64)
def _digits(argument: str) -> list[bytes]:
    return [digits.encode() for digits in re.findall(r"[0-9]+", argument)]


def _error(payload: dict[str, Any]) -> str:
    parts = (_text(payload, "error_class"), _text(payload, "error_message"))
    return ": ".join(part for part in parts if part)


def _text(payload: dict[str, Any], key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""


def _is_in(tag: str, tags: Any) -> bool:
    return isinstance(tags, list) and tag in tags
