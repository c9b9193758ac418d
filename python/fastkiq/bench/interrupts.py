"""Ctrl-C and its like while something is measured: once they are heard, what tidies up is left in peace."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """INT raises KeyboardInterrupt, TERM and HUP SystemExit; the next one does nothing any more, up to the exit.

    What it yields makes all of them do nothing: for when the work is over and its traces are being removed.
    """
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def deafen() -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        before.clear()
        deafen()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield deafen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
