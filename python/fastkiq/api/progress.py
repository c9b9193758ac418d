"""How far jobs are, as they tell by `self.progress(...)`."""

from collections.abc import Iterable
from typing import Final

from fastkiq.api.connection import Redis, connect
from fastkiq.api.scripts import run
from fastkiq.results.state import Progress, progress_of
from fastkiq.results.store import is_jid, key_of

_LONGEST: Final = 4_096  # bytes: more than the core of fastkiq writes


def progress(jids: Iterable[str], redis: Redis | None = None) -> dict[str, Progress]:
    """What is known of these jobs, by their jids; of those that tell nothing there is nothing."""
    asked = [jid for jid in dict.fromkeys(jids) if is_jid(jid)]
    if not asked:
        return {}
    told = run(
        redis if redis is not None else connect(), "fields", [key_of(jid) for jid in asked], [_LONGEST, "progress"]
    )
    found = {jid: progress_of(raw) for jid, raw in zip(asked, told, strict=True)}
    return {jid: each for jid, each in found.items() if each is not None}
