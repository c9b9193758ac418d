"""What the jobs of this process are doing, for whoever asks from outside through `<identity>-signals`."""

import json
import linecache
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from fastkiq.logging import logger, stacks

if TYPE_CHECKING:
    from fastkiq._core import Server
    from fastkiq.aio import AsyncProcessor
    from fastkiq.processor import Processor

MOST_LINES: Final = 200
LONGEST_LINE: Final = 1_000  # characters; also of a class and of a jid
MOST_OF_THREADS: Final = 262_144  # bytes
MOST_OF_ALL: Final = 4_194_304
"""Characters of the jobs' stacks together; those beyond are told without."""
PATIENCE: Final = 1.0
"""Seconds that the event loop has for its answer."""
_HERE: Final = str(Path(__file__).parent) + "/"
Frame = tuple[FrameType, int]
"""A frame and the line that it is at."""


class Stacks:
    """Answers `ask` on a thread of its own, one at a time: neither a slow Redis nor a busy loop holds anybody up."""

    def __init__(
        self, server: "Server", threads: Sequence["Processor"], loop: Callable[[], "AsyncProcessor | None"]
    ) -> None:
        self._server = server
        self._threads = threads
        self._loop = loop
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Has the stacks written, unless an answer is still under way. Never raises."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._answer, name="fastkiq-stacks", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the system gives us no more threads
            logger.warning("no thread to answer for the stacks: %s", error)

    def _answer(self) -> None:
        try:
            self._server.show_stacks(collect(self._server, self._threads, self._loop()))
        except Exception as error:
            logger.warning("the stacks that were asked for could not be shown: %s", error)


def collect(server: "Server", threads: Sequence["Processor"], loop: "AsyncProcessor | None") -> dict[str, str]:
    """The fields of `fastkiq:stacks:<identity>`: `at`, `threads`, and for each job that runs its tid."""
    before = server.running()
    idents = {thread.seat: thread.ident for thread in list(threads)}
    frames = sys._current_frames()
    found = {tid: of_frame(frames[ident]) for name, *_, tid in before if (ident := idents.get(name)) in frames}
    del frames
    coroutines = [tid for name, *_, tid in before if name == "async"]
    told = loop.stacks(PATIENCE) if loop is not None and coroutines else {}
    if told is None:
        silence = f"(the event loop has not answered within {PATIENCE:g} s)"
        told = {tid: [silence] for tid in coroutines}
    found |= told
    fields = {"at": f"{time.time():.6f}", "threads": cut(stacks(), MOST_OF_THREADS)}
    left = MOST_OF_ALL
    for name, job_class, jid, _, tid in server.running():  # what has ended meanwhile is not told of
        if tid not in found:
            continue
        entry = {"class": job_class[:LONGEST_LINE], "jid": jid[:LONGEST_LINE], "thread": name, "stack": found[tid]}
        text = json.dumps(entry)
        left -= len(text)
        fields[tid] = text if left >= 0 else json.dumps({**entry, "stack": ["(more stacks than are shown at once)"]})
    return fields


def of_frame(frame: FrameType | None) -> list[str]:
    """The stack of a thread from its job on, innermost last."""
    walked: list[Frame] = []
    while frame is not None and len(walked) <= MOST_LINES:
        walked.append((frame, frame.f_lineno))
        frame = frame.f_back
    walked.reverse()
    own = (at for at, (inner, _) in enumerate(walked) if inner.f_code.co_filename.startswith(_HERE))
    return lines(walked[next(own, 0) :], whole=frame is None)


def of_coroutine(coroutine: Any) -> list[str]:
    """The stack of a task that waits: of its coroutine and of all that it awaits, innermost last."""
    walked: list[Frame] = []
    while coroutine is not None and len(walked) <= MOST_LINES:
        frame = next((found for name in _FRAMES if (found := getattr(coroutine, name, None)) is not None), None)
        if frame is not None:
            walked.append((frame, frame.f_lineno))
        coroutine = next((found for name in _AWAITED if (found := getattr(coroutine, name, None)) is not None), None)
    return lines(walked, whole=coroutine is None)


_FRAMES: Final = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED: Final = ("cr_await", "gi_yieldfrom", "ag_await")


def lines(walked: list[Frame], *, whole: bool) -> list[str]:
    """`file:line:in function` and the line of source below it; what of fastkiq's own lies above the job is left out.

    Of more than there is room for the innermost stay: `whole` is false when `walked` lacks outer ones already.
    """
    job = next((at for at, (frame, _) in enumerate(walked) if not frame.f_code.co_filename.startswith(_HERE)), 0)
    told = [line for frame, number in walked[job:] for line in _frame(frame, number)]
    if whole and len(told) <= MOST_LINES:
        return told
    return ["(frames above this one are left out)", *told[1 - MOST_LINES :]]


def _frame(frame: FrameType, number: int) -> Iterator[str]:
    code = frame.f_code
    yield _line(f"{code.co_filename}:{number}:in {code.co_qualname}")
    if source := linecache.getline(code.co_filename, number, frame.f_globals).strip():
        yield _line(f"    {source}")


def _line(text: str) -> str:
    return text[:LONGEST_LINE].encode("utf-8", "replace").decode()


def cut(text: str, most: int) -> str:
    """The beginning of a text that has at most so many bytes in UTF-8."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
