"""What entries are wanted: the filters that the listings and the actions share."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

from fastkiq.job import Job
from fastkiq.printable import printable

# What no JSON encoder writes in another way than as it is: only such a text can be looked for in stored bytes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_ .:;,=()@#*!?$%~^|+-]+")
_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b|\d+")
_LONGEST_SIGNATURE: Final = 200


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
        """Texts that the bytes of each wanted entry hold: for a first look that decodes nothing."""
        for value in (self.class_name, self.queue, self.tag, self.jid, self.argument):
            if value and _PLAIN.fullmatch(value):
                yield value.encode()
        if self.error and _PLAIN.fullmatch(self.error) and ": " not in self.error:
            yield self.error.encode()
        if self.text:
            yield self.text.encode("utf-8", "surrogatepass")

    def matches(self, job: Job) -> bool:
        """Whether a job is wanted."""
        return (
            self.class_name in job.class_name
            and self.queue in ("", job.queue)
            and (not self.tag or self.tag in job.tags)
            and self.jid in ("", job.jid)
            and (not self.error or self.error in error_text(job))
            and (not self.argument or self.argument in argument_text(job.args))
            and (not self.text or self.text.encode("utf-8", "surrogatepass") in job.raw)
            and (not self.group or self.group == signature(job))
        )


def error_text(job: Job) -> str:
    """`error_class: error_message`, or what there is of it."""
    return ": ".join(part for part in (job.error_class, job.error_message) if part)


def argument_text(args: list[Any]) -> str:
    """The arguments as compact JSON, without the brackets around them."""
    return json.dumps(args, ensure_ascii=False, separators=(",", ":"))[1:-1]


def signature(job: Job) -> str:
    """What errors of one kind have in common: the class, and the message's first line with `#` for each number and id.

    Printable, and without spaces at its ends: it travels in links and forms. Empty for a job without an error.
    """
    message = _line((job.error_message or "").partition("\n")[0])
    kind = _line(job.error_class or "")
    return ": ".join(part for part in (kind, _NUMBERS.sub("#", message)) if part)


def _line(text: str) -> str:
    return printable(text[:_LONGEST_SIGNATURE])[:_LONGEST_SIGNATURE].strip()
