"""Waits for changes on a thread of its own, and wakes the supervisor when there are some that count."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

from watchfiles import watch

from fastkiq.reload.folders import Folders

_STEP: Final = 50
"""Milliseconds of quiet that end a burst of changes: an editor that saves all, a `git switch`."""
_BURST: Final = 400
"""Milliseconds after which a burst is told even if it goes on."""
_GLANCE: Final = 200
"""Milliseconds between two looks at whether other folders are to be watched."""


class Watcher(Thread):
    """Tells bursts of changes. The system says that something has happened; what has changed, the files' states say.

    So it is no change when only access rights do, and none is missed while other folders come to be watched.
    """

    def __init__(self, folders: Folders, wake: Callable[[], None]) -> None:
        super().__init__(name="fastkiq-watcher", daemon=True)
        self.error: Exception | None = None
        """Why nothing is watched any more."""
        self._folders = folders
        self._wake = wake
        self._bursts: SimpleQueue[set[str]] = SimpleQueue()
        self._renew = Event()
        self._states = folders.states()

    def renew(self) -> None:
        """Looks anew for what there is to watch."""
        self._renew.set()

    def take(self) -> set[str]:
        """The files that have changed since the last call."""
        changed: set[str] = set()
        while True:
            try:
                changed |= self._bursts.get_nowait()
            except Empty:
                return changed

    def run(self) -> None:
        try:
            while True:
                self._watch(self._folders.all())
        except Exception as error:  # whatever it is, the supervisor says it and does not wait in vain
            self.error = error
            self._wake()

    def _watch(self, folders: set[str]) -> None:
        """Until other folders are to be watched."""
        self._renew.clear()
        opened = False
        for changes in watch(
            *sorted(folders),
            watch_filter=None,
            debounce=_BURST,
            step=_STEP,
            rust_timeout=_GLANCE,
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            if changes or not opened:
                opened = True
                self._look()
                if self._folders.all() != folders:
                    return
            if self._renew.is_set():
                return

    def _look(self) -> None:
        before, self._states = self._folders.loaded | self._states, self._folders.states()
        paths = before.keys() | self._states.keys()
        if changed := {path for path in paths if before.get(path) != self._states.get(path)}:
            self._bursts.put(changed)
            self._wake()
