"""Log records for people and for machines, through the standard `logging`.

Start and end of a job are DEBUG: two formatted records cost twenty times what an empty job does.
"""

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Final

from fastkiq import context
from fastkiq.backtrace import as_text
from fastkiq.printable import printable, printable_lines

logger: Final = logging.getLogger("fastkiq")

_COLOURS: Final = {"DEBUG": "2", "INFO": "36", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
STANDS_OUT: Final = "fastkiq_stands_out"
"""The attribute of records that a reader must not overlook among others of their level."""
OF_PROCESS: Final = "fastkiq_of_process"
"""The attribute of warnings that mean nothing where a process is started anew again and again: of its end, or of a
Redis that is set up unwisely."""
_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}  # Sidekiq's words
_Thrown = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Formatter(logging.Formatter):
    """What the three formats share: the job a record speaks of, and texts fit for a terminal."""

    def formatException(self, ei: _Thrown) -> str:
        return as_text(ei[1], ei[2]) if ei[1] is not None else "NoneType: None"

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """jid, class, queue and elapsed seconds: those the record carries, else those of the job that runs here."""
        carried: dict[str, Any] | None = getattr(record, "fastkiq", None)
        if carried is not None:
            return carried
        instance = context.current.get()
        if instance is None:
            return {}
        of = instance._unit or instance._job
        return {"class": of.class_name, "jid": of.jid, "queue": of.queue} if of is not None else {}

    def trouble(self, record: logging.LogRecord) -> str:
        """The traceback and stack of a record, or an empty text."""
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        parts = [record.exc_text, self.formatStack(record.stack_info) if record.stack_info else None]
        return "\n".join(part for part in parts if part)


class PlainFormatter(_Formatter):
    """`2026-11-22T02:13:25.123Z 4711 fastkiq-default-3 INFO class=... jid=...: message`"""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {key}={_fact(value)}" for key, value in self.facts(record).items())
        head = (
            f"{_utc(record.created)} {record.process} {printable(record.threadName or '-')} {record.levelname}{facts}: "
        )
        return head + printable_lines("\n".join(filter(None, [record.getMessage(), self.trouble(record)])))


class PrettyFormatter(_Formatter):
    """For a terminal: local time, colours if wanted, the class of a job before the message, the rest of it behind."""

    def __init__(self, colours: bool = True) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        paint = _COLOURS.get(record.levelname, "0")
        level = self._painted(f"{record.levelname:<7}", paint)
        known = dict(self.facts(record))
        name, elapsed = known.pop("class", None), known.pop("elapsed", None)
        facts = " ".join(f"{key}={_fact(value)}" for key, value in known.items())
        message, _, rest = printable_lines(record.getMessage()).partition("\n")
        if getattr(record, STANDS_OUT, False):
            message = self._painted(message, _COLOURS["WARNING"] if record.levelno < logging.WARNING else paint)
        elif elapsed is not None and record.levelno == logging.DEBUG:  # the end of a job that went well
            message = self._painted(message, "32")
        if name is not None:
            message = f"{self._painted(_fact(name), '1')} {message}"
        if elapsed is not None:
            facts = f"{_span(elapsed)}  {facts}"
        rest = "\n".join(filter(None, [rest, self.trouble(record) and "  | " + printable_lines(self.trouble(record))]))
        line = f"{self._painted(f'{at}.{int(record.msecs):03d}', '2')} {level} {message}"
        line += f"  {self._painted(facts, '2')}" if facts else ""
        return f"{line}\n{rest}" if rest else line

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text


class JsonFormatter(_Formatter):
    """One JSON object a line: ts, level, pid, thread, logger, message, and what is known of the job."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _utc(record.created),
            "level": record.levelname,
            "pid": record.process,
            "thread": record.threadName,
            "logger": record.name,
            **self.facts(record),
            "message": record.getMessage(),
        }
        if trouble := self.trouble(record):
            line["error"] = trouble
        # ASCII: lone surrogates and U+2028 leave as escapes that every reader takes.
        return json.dumps(line, default=str)


FORMATS: Final[dict[str, type[_Formatter]]] = {
    "pretty": PrettyFormatter,
    "plain": PlainFormatter,
    "json": JsonFormatter,
}


def setup(log_format: str | None, level: str | int, stream: IO[str] | None = None) -> None:
    """Sends log records to `stream` (stderr). Call it when the user's modules are loaded.

    A program that has set up logging itself keeps its own handlers, unless it names a `log_format` of ours. None
    chooses: pretty on a terminal, else plain. What is pretty has no colours where they do not suit.
    """
    stream = stream or sys.stderr
    root = logging.getLogger()
    _revive()
    logger.setLevel(level)
    if root.handlers and log_format is None:
        return
    handler = logging.StreamHandler(stream)
    kind = FORMATS[log_format or ("pretty" if stream.isatty() else "plain")]
    handler.setFormatter(PrettyFormatter(colourful(stream)) if kind is PrettyFormatter else kind())
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.INFO)  # `-v` is about jobs, not about the event loop


def colourful(stream: IO[str]) -> bool:
    """Whether colours suit: a terminal that wants them (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def about(class_name: str, jid: str, queue: str, elapsed: float | None = None) -> dict[str, Any]:
    """The `extra=` of a record about one job; `elapsed` in seconds."""
    facts: dict[str, Any] = {"class": class_name, "jid": jid, "queue": queue}
    if elapsed is not None:
        facts["elapsed"] = round(elapsed, 3 if elapsed >= 0.1 else 6)
    return {"fastkiq": facts}


def job_logger(name: str, options: Mapping[str, Any], payload: Mapping[str, Any]) -> logging.Logger:
    """The logger of a worker's jobs. A `log_level` in the payload, else in the options, is the least that it lets by.

    Each level has a child logger of its own: only so can one job log more, or less, than its neighbours.
    """
    base = f"fastkiq.jobs.{name}"
    for source in (payload, options):
        word = source.get("log_level")
        if word is None:
            continue
        level = _LEVELS.get(word) if isinstance(word, str) else None
        if level is not None:
            child = logging.getLogger(f"{base}.{word}")
            child.setLevel(level)
            return child
        logger.warning("a log_level that makes no sense is ignored: %s", printable(repr(word), 60))
    return logging.getLogger(base)


def stacks() -> str:
    """What every thread is doing, as TTIN logs it."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts: list[str] = []
    for ident, frame in sys._current_frames().items():
        parts.append(f"Thread {names.get(ident, '?')} ({ident}):")
        parts += [line.rstrip("\n") for line in traceback.format_stack(frame)]
    return "\n".join(parts)


def _revive() -> None:
    """`dictConfig` and `fileConfig` switch off every logger that exists, unless told not to: ours must speak."""
    for name, known in list(logging.root.manager.loggerDict.items()):
        if (name == "fastkiq" or name.startswith("fastkiq.")) and isinstance(known, logging.Logger):
            known.disabled = False


def _utc(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"


def _span(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _fact(value: object) -> str:
    text = printable(value, 200)
    return f'"{text}"' if " " in text else text
