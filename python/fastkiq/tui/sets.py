"""What the screens of retries, scheduled and dead jobs share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content

from fastkiq.api import Entry, Filter, JobSet, Page, Redis, argument_text, error_text
from fastkiq.printable import counted, printable
from fastkiq.tui import deeds
from fastkiq.tui.filters import parsed
from fastkiq.tui.forms import away, size
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.paragraphs import wrapped
from fastkiq.tui.reader import Task
from fastkiq.tui.table import Column, cut

_LOOK: Final = 50_000
"""Entries that one page looks at for a filter: some 30 ms of Redis."""

ARGUMENTS: Final = Column("Arguments", free=True, rank=3)
ERROR: Final = Column("Error", free=True, least=28, style="ansi_red")
CLASS: Final = Column("Class", most=36, style="bold")
QUEUE: Final = Column("Queue", most=16, rank=2)
JID: Final = Column("Jid", most=24, rank=4, style="dim")
TAGS: Final = Column("Tags", most=20, rank=5, style="dim")


@dataclass(frozen=True, slots=True)
class SetPage:
    """A page of a set."""

    kind: type[JobSet]
    cursor: str | None
    limit: int
    wanted: Filter

    def read(self, redis: Redis) -> Page[Entry]:
        """The page; with a filter what was found within a quarter of a second."""
        wanted = self.wanted or None
        return self.kind(redis).page(self.cursor, self.limit, wanted, look=_LOOK, seconds=0.25)


def _key(entry: Entry) -> tuple[float, bytes, int]:
    """By its stored bytes, which is what actions go by; what is too long to be read goes by its length."""
    return entry.score, entry.job.raw, entry.length


def class_text(entry: Entry) -> str:
    """The class of a job, or what there is to say instead."""
    if not entry.is_whole:
        return f"({size(entry.length)}: too long to be read)"
    return printable(entry.job.class_name, 200) or "(no job)"


def arguments(entry: Entry) -> str:
    """The arguments, on one line."""
    return "[encrypted]" if entry.job.payload.get("encrypt") else printable(argument_text(entry.job.args)[:500], 500)


class SetView(ListView):
    """A page of a set, and what can be done to its jobs."""

    KIND: ClassVar[type[JobSet]]
    CAN_FILTER = True
    WRITES = frozenset("DREK")
    _DETAILS = 3

    def __init__(self, columns: Sequence[Column], cells: Callable[[Entry], Sequence[str]], nothing: str) -> None:
        super().__init__(Listing(columns, cells, _key, nothing))
        self.wanted = Filter()

    def request(self) -> SetPage:
        """The page that is shown."""
        return SetPage(self.KIND, self._listing.cursor, self.limit, self.wanted)

    def set_filter(self, text: str) -> None:
        """Shows only what fits."""
        self.wanted = parsed(text)
        super().set_filter(text if self.wanted else "")

    def show_group(self, signature: str) -> None:
        """Shows only the errors of one group."""
        self.wanted = replace(self.wanted, group=signature)
        super().set_filter(f"group:{signature}")

    def details(self, entry: Entry, width: int) -> list[Content]:
        """The arguments and the error, as far as there is room."""
        job = entry.job
        lines = wrapped(f"error  {error_text(job)[:1_000]}", width, "dim", " " * 7) if error_text(job) else []
        if len(lines) < 2:
            lines.insert(0, Content.styled(cut(f"jid    {printable(job.jid, 80)}", width), "dim"))
        return [Content.styled(cut(f"args   {arguments(entry)}", width), "dim"), *lines]

    def action_open(self) -> None:
        """Opens the job's page."""
        from fastkiq.tui.job_page import EntryPage

        if (entry := self.listing.current) is not None:
            self.top.open(EntryPage(entry, self.TAB))

    def action_do(self, action: str) -> None:
        """Asks, and then does it to the row, the selected or all that match."""
        listing, kind = self._listing, self.KIND
        name = deeds.NAMES[kind.key]
        verb = action.capitalize()
        if listing.has_all and self.wanted:
            wanted = self.wanted
            question = f"{verb} all {name} that match {printable(self.filter_text, 200)}?"
            count = Task(deeds.number(self.top.redis, kind, wanted))
            work = deeds.all_of(self.top.redis, kind, action, [wanted])
        elif listing.has_all:
            total = listing.page.total if listing.page is not None else 0
            question, count = f"{verb} all {total:,} {name}?", None
            work = deeds.all_of(self.top.redis, kind, action, [None])
        else:
            entries = listing.meant
            if not entries:
                return
            what = "this job" if len(entries) == 1 else f"these {counted(len(entries), 'job')}"
            question, count = f"{verb} {what} of the {name}?", None
            if len(entries) == 1:
                question += f"\n{class_text(entries[0])} {printable(entries[0].job.jid, 80)}"
            work = deeds.some(self.top.redis, kind, action, entries)
        self.top.confirm(question, work, count=count, then=self._done)

    def _done(self) -> None:
        self._listing.clear_selection()


def action_keys(*keys: tuple[str, str]) -> list[BindingType]:
    """Bindings of the keys for actions on jobs."""
    return [Binding(key, f"do('{action}')", action) for key, action in keys]


def tags(entry: Entry) -> str:
    """The tags, on one line."""
    return printable(", ".join(entry.job.tags)[:200], 200)


def when(entry: Entry) -> str:
    """Its time, from here."""
    return away(entry.score)


def base(entry: Entry) -> list[str]:
    """Queue, class, jid, tags and arguments: what all jobs have."""
    job = entry.job
    return [printable(job.queue, 100), class_text(entry), printable(job.jid, 80), tags(entry), arguments(entry)]


def fault(entry: Entry) -> str:
    """The error, on one line."""
    return printable(error_text(entry.job)[:500], 500)
