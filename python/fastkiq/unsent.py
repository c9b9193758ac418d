"""Jobs that were held back for a transaction and did not reach Redis, though the caller has their ids."""

import logging
from collections.abc import Sequence
from typing import Final

from fastkiq.errors import PushUncertain, RedisError
from fastkiq.outlets import Payload
from fastkiq.printable import counted, printable

_NAMED: Final = 20


def named(payloads: Sequence[Payload]) -> str:
    """`2 jobs: Mail 1f..., Mail 2e...`, safe for a log."""
    names = ", ".join(f"{each['class']} {each['jid']}" for each in payloads[:_NAMED])
    more = f" and {len(payloads) - _NAMED:,} more" if len(payloads) > _NAMED else ""
    return f"{counted(len(payloads), 'job')}: {printable(names, 4_000)}{more}"


def tell(error: BaseException, payloads: Sequence[Payload], logger: logging.Logger) -> None:
    """The transaction has committed, and the push of these has failed, or of the first of them: a line in the log and a
    note name them, and a RedisError gets those that Redis does not have as its `rest`."""
    text = f"the transaction has committed, but not (all) enqueued: {named(payloads)}"
    logger.error("%s", text, exc_info=error)
    error.add_note(text)
    if isinstance(error, RedisError):
        done = {*error.pushed, *error.uncertain}
        if isinstance(error, PushUncertain):
            done.add(error.jid or "")
        error.rest = [each for each in payloads if each["jid"] not in done]
