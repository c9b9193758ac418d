"""What all screens of `fastkiq top` have in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from fastkiq.tui.reader import Answer, Request

if TYPE_CHECKING:
    from fastkiq.tui.app import Top


class View(Widget, can_focus=True):
    """One screen: what it asks of Redis, and the lines that show the answer.

    Whatever it shows of Redis has passed `printable` and is put into `Content` as plain text, never as markup.
    """

    DEFAULT_CSS = "View { height: 1fr; text-wrap: nowrap; text-overflow: clip; }"
    TAB: ClassVar[str] = ""
    """The tab that it belongs to."""
    EACH: ClassVar[int] = 1
    """Of so many looks at the summary one is at this screen's contents too."""
    WRITES: ClassVar[frozenset[str]] = frozenset()
    """Keys that change what is in Redis: not there with --read-only."""
    CAN_FILTER: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.at: float | None = None
        """Epoch seconds of the answer that is shown."""
        self.notes: Sequence[str] = ()
        """What is not shown, and why."""
        self.filter_text = ""

    @property
    def top(self) -> "Top":
        """The application."""
        return cast("Top", self.app)

    def request(self) -> Request | None:
        """What is to be asked next; None: nothing more."""
        return None

    def accept(self, value: Any) -> None:
        """Takes the answer to the request as it is now."""

    def receive(self, answer: Answer) -> None:
        """Takes an answer, unless something else is wanted by now."""
        if answer.error is None and answer.request == self.request():
            self.at = answer.at
            self.accept(answer.value)
            self.refresh()

    def lines(self, width: int, height: int) -> list[Content]:
        """What is to be seen, from top to bottom."""
        return []

    def position(self) -> str:
        """Where in the whole this is, for the status line."""
        return ""

    def set_filter(self, text: str) -> None:
        """Shows only what fits."""
        self.filter_text = text

    def hints(self) -> list[Binding]:
        """The keys to mention, the more important first."""
        return [key for key in bindings(type(self)) if key.show and not (self.top.read_only and key.key in self.WRITES)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Textual's: whether a key does something here."""
        if not self.top.read_only:
            return True
        writing = {key.action.partition("(")[0] for key in bindings(type(self)) if key.key in self.WRITES}
        return action not in writing

    def render(self) -> Content:
        """Textual's: the lines, as many as there is room for."""
        width, height = self.size
        return Content("\n").join(self.lines(width, height)[:height])


def bindings(kind: type[View]) -> list[Binding]:
    """The keys of a screen, its own before those that it shares with others."""
    kinds = [each for each in kind.__mro__ if issubclass(each, View)]
    return [key for each in kinds for key in each.__dict__.get("BINDINGS", ()) if isinstance(key, Binding)]


class PageView(View):
    """A text that may be longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "back", key_display="Esc"),
        Binding("j,down", "scroll(1)", "", show=False),
        Binding("k,up", "scroll(-1)", "", show=False),
        Binding("l,pagedown,space", "scroll_page(1)", "", show=False),
        Binding("h,pageup", "scroll_page(-1)", "", show=False),
        Binding("home", "scroll(-1000000)", "", show=False),
        Binding("end", "scroll(1000000)", "", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._first = 0
        self._count = 0

    def text(self, width: int) -> list[Content]:
        """All of its lines."""
        return []

    def lines(self, width: int, height: int) -> list[Content]:
        """As many as there is room for, from where it was scrolled to."""
        whole = self.text(width)
        self._count = len(whole)
        self._first = max(0, min(self._first, len(whole) - height))
        return whole[self._first : self._first + height]

    def position(self) -> str:
        """The lines that are seen."""
        last = min(self._count, self._first + self.size.height)
        return f"lines {self._first + 1:,}-{last:,} of {self._count:,}" if self._count > self.size.height else ""

    def action_back(self) -> None:
        """Goes to where it was opened."""
        self.top.back()

    def action_scroll(self, by: int) -> None:
        """Moves by so many lines."""
        self._first = max(0, self._first + by)
        self.refresh()
        self.top.call_after_refresh(self.top.show_status)

    def action_scroll_page(self, by: int) -> None:
        """Moves by so many screens."""
        self.action_scroll(by * max(1, self.size.height - 1))
