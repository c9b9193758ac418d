"""Cursors of the sets as links have them.

Between entries with one and the same score a cursor may name the bytes that part them. Where names of arguments are
filtered these are bytes that no page shows, and, given by hand, would tell by what they part: there it is the number of
entries, which holds as long as none with that score comes or goes.
"""

from fastkiq.api import JobSet
from fastkiq.api.cursor import Cursor
from fastkiq.web.arguments import are_filtered
from fastkiq.web.errors import BadRequest
from fastkiq.web.i18n import gettext as _
from fastkiq.web.job_sets import ALL

_BYTES = b"p"


def outward(jobs: JobSet, cursor: str | None) -> str | None:
    """The cursor for a link or a form."""
    if cursor is None or not are_filtered() or Cursor.parse(cursor).where[:1] != _BYTES:
        return cursor
    _page, at = jobs.read(Cursor.parse(cursor), 0, None, look=0, seconds=0, order="next")
    return f"{at.score}_n{at.ties}" if at.where[:1] == _BYTES else at.text()


def outward_of_search(cursor: str | None) -> str | None:
    """The same of a search: a place and, behind a `~`, a cursor there."""
    place, _tilde, at = (cursor or "").rpartition("~")
    pages = next((each for each in ALL if each.kind.key == place), None)
    return cursor if pages is None or not at else f"{place}~{outward(pages.jobs, at) or ''}"


def inward(cursor: str | None) -> str | None:
    """The cursor that came from there, of a listing or (behind a place and `~`) of a search. Raises BadRequest."""
    if cursor and are_filtered() and "_p" in cursor.rpartition("~")[2]:
        raise BadRequest(_("This is no place in a listing: go back to its first page."))
    return cursor or None
