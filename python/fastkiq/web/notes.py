"""What was left out, and why: the first few, since there may be one for each of a thousand queues."""

from collections.abc import Iterable
from typing import Final

from fastkiq.web.i18n import ngettext

_MOST: Final = 5


def first_notes(notes: Iterable[str]) -> list[str]:
    """Each once."""
    several = list(dict.fromkeys(notes))
    left = len(several) - _MOST
    if left <= 0:
        return several
    return [*several[:_MOST], ngettext("%(count)s more note of this kind", "%(count)s more notes of this kind", left)]
