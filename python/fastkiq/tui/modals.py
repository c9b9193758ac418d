"""What lies over a screen: a question, the progress of what was asked for, the help."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from fastkiq.printable import printable
from fastkiq.tui.reader import Task

_BOX = """
{name} {{ align: center middle; background: transparent; }}
{name} > .box {{
    width: {width}; max-width: 95%; height: auto; max-height: 95%;
    border: round ansi_default; padding: 0 1; background: ansi_default; color: ansi_default;
}}
"""


class Confirm(ModalScreen[bool]):
    """Whether to go on: only `y` says so."""

    CSS = _BOX.format(name="Confirm", width="64")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "answer(True)", "yes"),
        Binding("n,N,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str, count: Task | None = None) -> None:
        super().__init__()
        self._question = question
        self._count = count

    def compose(self) -> ComposeResult:
        """Textual's: the box."""
        yield Static(self._text(), classes="box", markup=False)

    def on_mount(self) -> None:
        """Textual's: counts meanwhile."""
        if self._count is not None:
            self._count.start()
            self.set_interval(0.1, self._tell)

    def action_answer(self, is_yes: bool) -> None:
        """Ends it."""
        if self._count is not None:
            self._count.cancel()
        self.dismiss(is_yes)

    def _tell(self) -> None:
        self.query_one(".box", Static).update(self._text())

    def _text(self) -> Content:
        lines = [Content.styled(self._question, "bold")]
        if self._count is not None:
            lines.append(Content(_state(self._count) or "counting…"))
        return Content("\n\n").join([*lines, Content.assemble(("y", "bold"), " yes      ", ("n", "bold"), " no")])


class Progress(ModalScreen[None]):
    """How far something is, until it is over."""

    CSS = _BOX.format(name="Progress", width="64")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,q", "cancel", "stop")]

    def __init__(self, title: str, task: Task) -> None:
        super().__init__()
        self._title = title
        self._watched = task

    def compose(self) -> ComposeResult:
        """Textual's: the box."""
        yield Static(self._text(), classes="box", markup=False)

    def on_mount(self) -> None:
        """Textual's: looks how far it is."""
        self.set_interval(0.1, self._tell)

    def action_cancel(self) -> None:
        """Lets it end after the slice that it is in."""
        self._watched.cancel()
        self._tell()

    def _tell(self) -> None:
        if self._watched.is_over.is_set():
            self.dismiss()
        else:
            self.query_one(".box", Static).update(self._text())

    def _text(self) -> Content:
        keys = "stopping…" if self._watched.is_cancelled else "Esc  stop"
        return Content("\n\n").join(
            [Content.styled(self._title, "bold"), Content(_state(self._watched)), Content(keys)]
        )


class Help(ModalScreen[None]):
    """The keys of all screens."""

    CSS = _BOX.format(name="Help", width="72")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close"),
        Binding("j,down", "scroll(1)", "", show=False),
        Binding("k,up", "scroll(-1)", "", show=False),
    ]

    def __init__(self, groups: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """Textual's: the box."""
        lines: list[Content] = []
        for title, keys in self._groups:
            lines.append(Content.styled(title, "bold"))
            lines += [Content(f"  {key:<14} {about}") for key, about in keys]
        with VerticalScroll(classes="box"):
            yield Static(Content("\n").join(lines), markup=False)

    def action_scroll(self, by: int) -> None:
        """Moves the text."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def _state(task: Task) -> str:
    if task.error is not None:
        return f"{type(task.error).__name__}: {printable(task.error, 300)}"
    return task.result if task.result is not None else task.progress
