"""What the log says of a task that has failed for good: one record, with all that is known of it.

fastkiq's line about the end of a job is made an error of Django's own logger of Tasks, where projects look for one and
have mails sent. The record that Django would make of the same end, which says less, is dropped then.
"""

from contextvars import ContextVar
from logging import ERROR, WARNING, Handler, Logger, LogRecord, StreamHandler, getLevelName, getLogger
from typing import Any, Final

from django.utils.log import AdminEmailHandler

from fastkiq.config import Config
from fastkiq.contrib.django.compat import NAME, TaskResultStatus
from fastkiq.contrib.django.known import task_of
from fastkiq.logging import STANDS_OUT, logger
from fastkiq.printable import printable

_tasks: Final = getLogger(NAME)
_DJANGOS: Final = "Task id=%s path=%s state=%s"
_told: ContextVar[str] = ContextVar("fastkiq_django_told", default="")
"""The id of the task whose end has been logged last."""


def install(config: Config) -> None:
    """For this process; once."""
    logger.addFilter(_is_fastkiqs)
    _tasks.addFilter(_is_news)
    if _write_once not in config.hooks("startup"):
        config.on("startup", _write_once)


def _write_once() -> None:
    """With DEBUG Django has a handler of its own for what is below "django", which goes to the root's handler as well:
    in a worker that is fastkiq's, on the same stream."""
    django = getLogger("django")
    for own in [each for each in django.handlers if isinstance(each, StreamHandler)]:
        if django.propagate and any(_writes_all_of(own, each) for each in getLogger().handlers):
            django.removeHandler(own)


def _writes_all_of(own: StreamHandler[Any], other: Handler) -> bool:
    """Whether `other` writes no less to the same stream. Handlers of files that are not open yet have none."""
    if not isinstance(other, StreamHandler) or own.stream is None or other.stream is not own.stream:
        return False
    return other.level <= own.level and not other.filters


def _is_fastkiqs(record: LogRecord) -> bool:
    """Whether fastkiq's logger keeps this record. Where Django's is switched off, or writes nothing, it keeps all."""
    if record.levelno < WARNING or not getattr(record, STANDS_OUT, False):
        return True
    facts = vars(record)["fastkiq"]
    task = task_of(facts["class"])
    if task is None or not _tasks.isEnabledFor(ERROR) or not _is_written(record):
        return True
    _told.set(facts["jid"])
    record.name, record.levelno, record.levelname = NAME, ERROR, getLevelName(ERROR)
    who = f"Task id={printable(facts['jid'])} path={task.module_path} state={TaskResultStatus.FAILED}"
    record.msg, record.args = f"%s: {record.msg}", (who, *(record.args or ()))
    _tasks.handle(record)
    return False


def _is_written(record: LogRecord) -> bool:
    """Whether a handler of Django's logger writes this, mails aside. Without DEBUG Django's own handlers do not, which
    matters where workers run in a web process: in a process of theirs fastkiq has a handler at the root."""
    above: Logger | None = _tasks
    while above is not None:
        if any(
            each.level <= ERROR and not isinstance(each, AdminEmailHandler) and each.filter(record)
            for each in above.handlers
        ):
            return True
        above = above.parent if above.propagate else None
    return not _tasks.hasHandlers()  # then Python itself writes it


def _is_news(record: LogRecord) -> bool:
    """Not what Django says of the end that fastkiq has told. What others log of it is."""
    if not isinstance(record.msg, str) or record.msg != _DJANGOS or not isinstance(record.args, tuple):
        return True
    return record.levelno != ERROR or record.args[:1] != (_told.get(),)
