"""Errors of one kind, counted: of the retries or of the dead jobs."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.binding import Binding, BindingType

from fastkiq.api import Filter, Group, Grouping, JobSet, Page, Redis
from fastkiq.printable import counted, printable
from fastkiq.tui import deeds
from fastkiq.tui.forms import away
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.sets import action_keys
from fastkiq.tui.table import Column

if TYPE_CHECKING:
    from fastkiq.tui.sets import SetView


# An empty text in a filter is no condition: all jobs of the set would be meant.
_NAMELESS: Final = "jobs without an error cannot be asked for by it"


class _Count:
    """A grouping under way. Only the reader's thread touches it."""

    def __init__(self, kind: type[JobSet], wanted: Filter) -> None:
        self._kind = kind
        self._wanted = wanted
        self._grouping: Grouping | None = None

    def read(self, redis: Redis) -> "Counted":
        """Counts on for a fifth of a second."""
        grouping = self._grouping = self._grouping or Grouping(self._kind(redis), self._wanted or None)
        grouping.advance(0.2)
        notes = [f"{grouping.others:,} jobs are in none of the first thousand groups"] if grouping.others else []
        notes += [f"{grouping.unread:,} are too long to be looked into: in no group"] if grouping.unread else []
        return Counted(list(grouping.groups), grouping.looked, grouping.total, grouping.is_complete, notes)


@dataclass(frozen=True, slots=True)
class Counted:
    """The groups so far."""

    groups: list[Group]
    looked: int
    total: int
    is_complete: bool
    notes: list[str]


class GroupsView(ListView):
    """The largest group first. It is counted once, since that reads the whole set; `r` counts again."""

    WRITES = frozenset("DRK")
    BINDINGS: ClassVar[list[BindingType]] = [
        *action_keys(("R", "retry"), ("D", "delete"), ("K", "kill")),
        Binding("r", "again", "count again"),
        Binding("g", "back", "", show=False),
    ]

    def __init__(self, of: "SetView", wanted: Filter) -> None:
        columns = [
            Column("Jobs", right=True, style="bold"),
            Column("Error", free=True, least=44, style="ansi_red"),
            Column("Classes", free=True, rank=1),
            Column("Earliest", right=True, rank=2),
            Column("Latest", right=True, rank=3),
        ]
        super().__init__(Listing(columns, _cells, lambda group: group.signature, "no jobs"))
        self.TAB = of.TAB  # type: ignore[misc]  # of this instance
        self._of = of
        self._wanted = wanted
        self._count = _Count(of.KIND, wanted)
        self._all: list[Group] = []
        self._state = ""
        self._is_complete = False

    def request(self) -> "_Count | None":
        """Counting on, until it is complete."""
        return None if self._is_complete else self._count

    def accept(self, value: Any) -> None:
        """The groups so far."""
        self._is_complete = value.is_complete
        self._all = value.groups
        self._state = f"{counted(value.looked, 'job')} of {value.total:,} counted"
        self.notes = value.notes
        self._show()
        if not self._is_complete:
            self.top.read_now()

    def changed(self, *, asks: bool = False) -> None:
        """Draws it anew: all groups are known here."""
        self._show()
        super().changed()

    def hints(self) -> list[Binding]:
        """Those of the set, and what there is for groups."""
        actions = {f"do('{action}')" for action in self._of.KIND.can}
        return [key for key in super().hints() if not key.action.startswith("do(") or key.action in actions]

    def position(self) -> str:
        """Which groups are shown, and how far the count is."""
        return f"groups {super().position()} · {self._state}"

    def action_open(self) -> None:
        """Shows the jobs of the group."""
        group = self.listing.current
        if group is not None and not group.signature:
            self.top.say(_NAMELESS)
        elif group is not None:
            self.top.back()
            self._of.show_group(group.signature)

    def action_again(self) -> None:
        """Counts again."""
        self._count, self._is_complete = _Count(self._of.KIND, self._wanted), False
        self.top.read_now()

    def action_do(self, action: str) -> None:
        """Asks, and then does it to all jobs of the group, or of the selected ones."""
        if action not in self._of.KIND.can:
            return
        meant: list[Group] = self._all if self.listing.has_all else self.listing.meant
        groups = [group for group in meant if group.signature]
        if not groups:
            self.top.say(_NAMELESS if meant else "")
            return
        number = sum(group.count for group in groups)
        errors = "\n".join(f"{group.count:,} × {printable(group.signature, 100)}" for group in groups[:5])
        question = f"{action.capitalize()} {counted(number, 'job')} of {counted(len(groups), 'group')}?\n{errors}"
        wanted = [replace(self._wanted, group=group.signature) for group in groups]
        work = deeds.all_of(self.top.redis, self._of.KIND, action, wanted)
        self.top.confirm(question, work, then=self._done)

    def _done(self) -> None:
        self.listing.clear_selection()
        self.action_again()

    def _show(self) -> None:
        at = int(self._listing.cursor or 0)
        after = at + self.limit
        following = str(after) if after < len(self._all) else None
        self._listing.take(Page(self._all[at:after], len(self._all), self.limit, following))


def _cells(group: Group) -> list[str]:
    classes = ", ".join(f"{name} {count:,}" for name, count in sorted(group.classes.items(), key=lambda each: -each[1]))
    error = ": ".join(part for part in (group.error_class, group.message.partition("\n")[0]) if part)
    return [
        f"{group.count:,}",
        printable(error[:300], 300) or "(no error)",
        printable(classes[:300], 300),
        away(group.earliest),
        away(group.latest),
    ]
