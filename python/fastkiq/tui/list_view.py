"""Screens that are a list of rows."""

from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize

from fastkiq.tui.listing import Listing
from fastkiq.tui.view import View


class ListView(View):
    """A listing with its keys. The page is as long as there is room for rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "", show=False),
        Binding("k,up", "move(-1)", "", show=False),
        Binding("l,pagedown", "turn(1)", "", show=False),
        Binding("h,pageup", "turn(-1)", "", show=False),
        Binding("home", "move(-1000000)", "", show=False),
        Binding("end", "move(1000000)", "", show=False),
        Binding("enter", "open", "open", key_display="⏎"),
        Binding("x", "select", "select"),
        Binding("A", "select_all", "all"),
        Binding("escape,backspace", "back", "", show=False),
    ]
    CAN_SELECT: ClassVar[bool] = True
    _DETAILS: ClassVar[int] = 0
    """Lines below the rows, about the row that is meant."""

    def __init__(self, listing: Listing[Any]) -> None:
        super().__init__()
        self._listing = listing

    @property
    def listing(self) -> Listing[Any]:
        """The one that the keys are for."""
        return self._listing

    @property
    def limit(self) -> int:
        """Rows of a page."""
        return max(1, self.top.room - 1 - self._DETAILS)

    def accept(self, value: Any) -> None:
        """Shows a page."""
        self.notes = value.notes
        if not self._listing.take(value):
            self.top.read_now()

    def lines(self, width: int, height: int) -> list[Content]:
        """The listing, and what there is to say about a row."""
        rows = self._listing.lines(width, height - self._DETAILS)
        if not self._DETAILS:
            return rows
        rows += [Content("")] * (height - self._DETAILS - len(rows))
        current = self.listing.current
        return rows + (self.details(current, width)[: self._DETAILS] if current is not None else [])

    def details(self, item: Any, width: int) -> list[Content]:
        """More about the row that is meant."""
        return []

    def position(self) -> str:
        """The part of the whole, and what is selected."""
        listing = self.listing
        parts = [listing.position(bool(self.filter_text))]
        if listing.has_all:
            parts.append("all selected")
        elif listing.selected:
            parts.append(f"{len(listing.selected):,} selected")
        return " · ".join(part for part in parts if part)

    def set_filter(self, text: str) -> None:
        """Shows only what fits, from the beginning."""
        super().set_filter(text)
        self._listing.reset()
        self.changed(asks=True)

    def hints(self) -> list[Binding]:
        """Without those that do nothing here."""
        hints = super().hints()
        return hints if self.CAN_SELECT else [key for key in hints if key.key not in ("x", "A")]

    def changed(self, *, asks: bool = False) -> None:
        """Draws it anew; `asks`: after it was read anew."""
        self.refresh()
        self.top.show_status()
        if asks:
            self.top.read_now()

    def on_resize(self, event: Resize) -> None:
        """Textual's: another size is another page."""
        self.changed(asks=True)

    def action_move(self, by: int) -> None:
        """To another row."""
        self.listing.move(by)
        self.changed()

    def action_turn(self, by: int) -> None:
        """To another page."""
        if self.listing.turn(by):
            self.changed(asks=True)

    def action_select(self) -> None:
        """Selects a row, or no more."""
        if self.CAN_SELECT:
            self.listing.toggle()
            self.changed()

    def action_select_all(self) -> None:
        """Selects the page, all, nothing."""
        if self.CAN_SELECT:
            self.top.say(self.listing.widen())
            self.changed()

    def action_open(self) -> None:
        """Opens what the row is about."""

    def action_back(self) -> None:
        """Drops the selection, then the filter, then the screen."""
        listing = self.listing
        if listing.selected or listing.has_all:
            listing.clear_selection()
            self.changed()
        elif self.filter_text and self.CAN_FILTER:
            self.set_filter("")
        else:
            self.top.back()
