"""The filter of a listing: read from a query or a form, and matched against what is shown alone."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request

from fastkiq.api import Filter
from fastkiq.job import Job
from fastkiq.web import arguments, query
from fastkiq.web.errors import BadRequest
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

NAMES: Final = {
    "substr": "text",
    "class": "class_name",
    "queue": "queue",
    "error": "error",
    "argument": "argument",
    "tag": "tag",
    "group": "group",
}
"""Parameter -> attribute of `Filter`. `substr` is Sidekiq's."""


@dataclass(frozen=True, slots=True)
class ShownFilter(Filter):
    """Texts and arguments are looked for in what is shown: else what is not shown could be guessed, letter by letter,
    from the number of matches."""

    def needles(self) -> Iterator[bytes]:
        """Those of what is shown as it is stored."""
        return _rest(self).needles()

    def glance(self, raw: bytes) -> bool:
        """Only a whole look tells."""
        return True

    def accepts(self, payload: dict[str, Any], raw: bytes, queue: str | None = None) -> bool:
        """Whether the job with this payload is wanted."""
        if not _rest(self).accepts(payload, raw, queue):
            return False
        job = Job.of_payload(payload, raw)
        return (not self.argument or self.argument in arguments.args_text(job)) and (
            not self.text or self.text in arguments.payload_text(job)
        )


def from_query(request: Request) -> Filter:
    """The filter that the query gives. Raises BadRequest."""
    return _made(lambda name: query.bounded_text(request, name))


def from_form() -> Filter:
    """The filter that the posted form gives. Raises BadRequest."""
    return _made(lambda name: query.field(name).strip())


def of(given: Mapping[str, str]) -> Filter:
    """The filter of these parameters."""
    return _made(lambda name: given.get(name, ""))


def parameters(wanted: Filter) -> dict[str, str]:
    """The filter as parameters, without those that are empty."""
    return {name: value for name, attribute in NAMES.items() if (value := getattr(wanted, attribute))}


def check(given: Iterable[tuple[str, object]], others: Collection[str]) -> None:
    """For what is done to all: a misspelt or empty condition, or one in the query, must not come to mean all jobs.
    `others` are the fields that are no conditions. Raises BadRequest."""
    names = ", ".join(NAMES)
    for name, value in given:
        if name not in NAMES and name not in others:
            raise BadRequest(_("%(name)s is no condition; there are: %(names)s.", name=name[:80], names=names))
        if name in NAMES and not (isinstance(value, str) and value.strip()):
            raise BadRequest(_("%(name)s is empty: give it a value, or leave it out.", name=name))
    if current().request.query_params:
        raise BadRequest(_("What is to be done is said in the body, not in parameters of the address."))


def _made(read: Callable[[str], str]) -> Filter:
    given = {attribute: read(name) for name, attribute in NAMES.items()}
    return ShownFilter(**given) if arguments.are_filtered() else Filter(**given)


@lru_cache(maxsize=64)
def _rest(wanted: Filter) -> Filter:
    """What of it is about fields that are shown as they are stored."""
    kept = {attribute: getattr(wanted, attribute) for attribute in NAMES.values()}
    return Filter(**{**kept, "argument": "", "text": ""}, jid=wanted.jid)
