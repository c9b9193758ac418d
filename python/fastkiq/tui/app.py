"""The application: tabs, what is asked when, and what is done."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Event, Key
from textual.message import Message
from textual.widgets import Input

from fastkiq.api import Redis, Stats, Summary
from fastkiq.errors import RedisConnectionError, RedisError
from fastkiq.printable import printable
from fastkiq.tui.busy import BusyView
from fastkiq.tui.dead import DeadView
from fastkiq.tui.filters import HINT
from fastkiq.tui.find import FindView
from fastkiq.tui.head import PATIENCE, Foot, Head, Note, Status
from fastkiq.tui.home import HomeView
from fastkiq.tui.metrics import MetricsView
from fastkiq.tui.modals import Confirm, Help, Progress
from fastkiq.tui.queues import QueuesView
from fastkiq.tui.reader import Answer, Reader, Request, Task
from fastkiq.tui.retries import RetriesView
from fastkiq.tui.scheduled import ScheduledView
from fastkiq.tui.view import View

_TABS: Final = (HomeView, BusyView, QueuesView, ScheduledView, RetriesView, DeadView, MetricsView)
_FRAME: Final = 6
"""Lines of `Head`, `Status`, `Note` and `Foot` together."""
_MOVING: Final = [
    ("← →, 1 to 7", "another tab"),
    ("j k, ↓ ↑", "another row"),
    ("h l", "another page"),
    ("x", "select the row; A: the page, all, nothing"),
    ("/", "filter"),
    ("f", "find a jid, wherever it is"),
    ("Esc", "drop selection, filter; back"),
    ("r", "look now"),
    ("q", "quit"),
    ("UPPER CASE", "changes something: asks first"),
]


@dataclass(frozen=True, slots=True)
class Look:
    """The summary, and what a screen wants to know."""

    wanted: Request | None

    def read(self, redis: Redis) -> tuple[Summary, Any]:
        """Both."""
        return Stats(redis).summary(), None if self.wanted is None else self.wanted.read(redis)


class Answered(Message):
    """The reader has an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Top(App[None]):
    """`redis` gives the client, `place` says where that is; it looks each `every` seconds. Nothing that is asked of
    Redis runs in this thread."""

    TITLE = "fastkiq top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; layout: vertical; }
    #body { height: 1fr; }
    #line { height: 1; border: none; padding: 0 1; background: ansi_default; color: ansi_default; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "quit"),
        Binding("question_mark", "help", "help"),
        Binding("left", "tab(-1)", "tab before"),
        Binding("right", "tab(1)", "next tab"),
        Binding("r", "read", "look now"),
        Binding("f", "find", "find a jid"),
        *(Binding(f"{at + 1}", f"go({at})", kind.TAB, show=False) for at, kind in enumerate(_TABS)),
    ]

    def __init__(self, redis: Callable[[], Redis], place: str, *, read_only: bool = False, every: float = 2.0) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.redis = redis
        self.place = printable(place, 200)
        self.read_only = read_only
        self.tabs = [kind.TAB for kind in _TABS]
        self.summary: Summary | None = None
        self.answered_at: float | None = None
        """Epoch seconds of the last answer."""
        self.trouble = ""
        """Why there is none now."""
        self.message = ""
        # Queries ask the screen that is on top, which may be a question: the frame is kept here.
        self._frame = (Head(), Status(), Note(), Foot())
        self._body = Container(id="body")
        self._line = Input(id="line", compact=True)
        self._line_is_for: Callable[[str], object] = lambda text: None
        self._roots: list[View] = [kind() for kind in _TABS]
        self._open: list[View] = [self._roots[0]]
        self._reader = Reader(redis, self._deliver)
        self._every = every
        self._looks = 0
        self._doing: tuple[Task, Callable[[], object] | None] | None = None

    def _deliver(self, answer: Answer) -> None:
        with suppress(RuntimeError):  # the loop has ended before the thread
            self.post_message(Answered(answer))

    @property
    def view(self) -> View:
        """The screen that is shown."""
        return self._open[-1]

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return self.view.TAB

    @property
    def room(self) -> int:
        """Lines of a screen between what frames it; known before it is laid out."""
        return self.size.height - _FRAME

    @property
    def is_old(self) -> bool:
        """Whether what is shown is not what is."""
        return bool(self.trouble) or self.waits > PATIENCE

    @property
    def waits(self) -> float:
        """Seconds for which Redis has been asked without an answer."""
        return self._reader.waits

    def compose(self) -> ComposeResult:
        """Textual's: the frame and the seven tabs."""
        head, status, note, foot = self._frame
        yield head
        yield status
        with self._body:
            yield from self._roots
        yield note
        yield self._line
        yield foot

    def on_mount(self) -> None:
        """Textual's: begins."""
        for root in self._roots[1:]:
            root.display = False
        self._show()
        self.set_interval(self._every, self._tick)
        self.set_interval(0.1, self._look_at_task)
        self.set_interval(1.0, self.show_status)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.add_signal_handler(number, self.exit)

    async def on_event(self, event: Event) -> None:
        """Textual's. Keys that come while it ends would find no screen, which textual takes for a fault."""
        if not isinstance(event, Key) or self.screen_stack:
            await super().on_event(event)

    def on_unmount(self) -> None:
        """Textual's: ends."""
        self._reader.stop()

    def read_now(self) -> None:
        """Asks what the screen wants to know, as soon as the question under way is answered."""
        self._looks = 0
        self._reader.ask(Look(self.view.request()))

    def say(self, text: str) -> None:
        """Tells what was done, or why not."""
        self.message = printable(text, 1_000)
        self.show_status()

    def show_status(self) -> None:
        """Draws what tells the state."""
        for each in self._frame:
            each.refresh()

    def open(self, view: View) -> None:
        """Shows a screen over the one that is shown."""
        self.view.display = False
        self._open.append(view)
        self._body.mount(view)
        self._show()

    def back(self) -> None:
        """Shows the screen below."""
        self.close(self.view)

    def close(self, view: View) -> None:
        """Ends a screen that was opened, and those over it."""
        if view not in self._open[1:]:
            return
        while view in self._open:
            self._open.pop().remove()
        self.view.display = True
        self._show()

    def confirm(
        self,
        question: str,
        work: Callable[[Task], str],
        *,
        count: Task | None = None,
        then: Callable[[], object] | None = None,
    ) -> None:
        """Asks, and does it when the answer is yes."""

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.do(work, then=then, title=question)

        if not self.read_only:
            self.push_screen(Confirm(question, count), answered)

    def do(
        self, work: Callable[[Task], str], *, then: Callable[[], object] | None = None, title: str = "Working"
    ) -> None:
        """Does something in a thread of its own; what takes longer shows how far it is."""
        if self._doing is not None:
            self.say("something is still being done")
            return
        self.say("…")
        task = Task(work).start()
        self._doing = task, then
        self.set_timer(0.3, lambda: None if task.is_over.is_set() else self.push_screen(Progress(title, task)))

    def action_tab(self, by: int) -> None:
        """To the tab beside it."""
        self.action_go((self.tabs.index(self.tab) + by) % len(self.tabs))

    def action_go(self, at: int) -> None:
        """To a tab."""
        for view in self._open[:0:-1]:
            view.remove()
        self._open[0].display = False
        self._open = [self._roots[at]]
        self.view.display = True
        self.message = ""
        self._show()

    def action_read(self) -> None:
        """Looks now."""
        self.read_now()

    def action_help(self) -> None:
        """Shows the keys."""
        groups: list[tuple[str, list[tuple[str, str]]]] = [("Everywhere", _MOVING)]
        for root in self._roots:
            own = [key for key in root.__class__.__dict__.get("BINDINGS", ()) if isinstance(key, Binding) and key.show]
            if own:
                groups.append((root.TAB, [(key.key_display or key.key, key.description) for key in own]))
        self.push_screen(Help(groups))

    def action_filter(self) -> None:
        """Lets the user type a filter."""
        self._open_line(self.view.filter_text, HINT, self.view.set_filter)

    def action_find(self) -> None:
        """Lets the user type a jid, and looks for it."""

        def find(jid: str) -> None:
            if jid:
                self.open(FindView(jid, self.tab))

        self._open_line("", "a whole jid, wherever it is", find)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Textual's: the line is complete."""
        self._close_line()
        self._line_is_for(event.value.strip()[:1_000])

    def on_key(self, event: Key) -> None:
        """Textual's: Esc leaves the line."""
        if event.key == "escape" and self._line.display:
            event.stop()
            self._close_line()

    def on_answered(self, message: Answered) -> None:
        """The reader's: shows it."""
        answer = message.answer
        if answer.error is not None:
            self.trouble = _trouble(answer.error)
        else:
            self.trouble, self.answered_at = "", answer.at
            self.summary, value = answer.value
            assert isinstance(answer.request, Look)
            self._home.count(self.summary)
            if answer.request.wanted is not None:
                self.view.receive(Answer(answer.request.wanted, value, None, answer.at))
        self.show_status()

    @property
    def _home(self) -> HomeView:
        home = self._roots[0]
        assert isinstance(home, HomeView)
        return home

    def _tick(self) -> None:
        """Asks again, unless the last question is still open."""
        self._looks += 1
        if self._reader.is_busy:
            return
        if self._looks >= self.view.EACH:
            self.read_now()
        else:
            self._reader.ask(Look(None))

    def _look_at_task(self) -> None:
        if self._doing is None or not self._doing[0].is_over.is_set():
            return
        (task, then), self._doing = self._doing, None
        self.say(_told(task.error) if task.error is not None else task.result or "")
        if then is not None and task.error is None:
            then()
        self.read_now()

    def _show(self) -> None:
        self.view.focus()
        self.view.refresh()
        self.show_status()
        self.read_now()

    def _open_line(self, value: str, hint: str, then: Callable[[str], object]) -> None:
        self._line.value, self._line.placeholder, self._line_is_for = value, hint, then
        self._line.display, self._frame[2].display = True, False
        self._line.focus()

    def _close_line(self) -> None:
        self._line.display, self._frame[2].display = False, True
        self.view.focus()


def _trouble(error: Exception) -> str:
    if isinstance(error, RedisConnectionError):
        return f"Redis is away: {_told(error)}"
    return f"Redis refuses: {_told(error)}" if isinstance(error, RedisError) else f"a fault of top's: {_told(error)}"


def _told(error: Exception) -> str:
    text = printable(error, 300)
    return text if isinstance(error, RedisError) else f"{type(error).__name__}: {text}"


def run(redis: Callable[[], Redis], place: str, *, read_only: bool = False) -> int:
    """Runs it until the user has enough; answers the exit code."""
    top = Top(redis, place, read_only=read_only)
    # The terminal's own selection and paste stay as they are.
    top.run(mouse=False)
    sys.stdout.flush()
    return top.return_code or 0
