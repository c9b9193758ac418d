"""What the log shows, and what it must not let through."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastkiq import context
from fastkiq import logging as fastkiq_logging
from fastkiq.backtrace import as_text, compressed, lines
from fastkiq.logging import (
    STANDS_OUT,
    JsonFormatter,
    PlainFormatter,
    PrettyFormatter,
    about,
    job_logger,
    logger,
    setup,
    stacks,
)
from fastkiq.printable import counted, printable, printable_lines

HOSTILE = "a\x1b[31mred\r\nforged\x00\x9b\u202e\ud800"


def record(message: str, *args: Any, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    thrown = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("fastkiq", logging.INFO, __file__, 1, message, args, thrown)
    made.__dict__.update(extra)
    return made


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger_of_all = logging.getLogger()
    handlers, level, own = logger_of_all.handlers[:], logger_of_all.level, logger.level
    logger_of_all.handlers[:] = []
    yield logger_of_all
    logger_of_all.handlers[:], logger.disabled = handlers, False
    logger_of_all.setLevel(level)
    logger.setLevel(own)


@given(st.text() | st.just(HOSTILE))
def test_printable_is_one_line_without_controls(text: str) -> None:
    shown = printable(text)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in shown)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


def test_printable_shows_what_it_escapes_and_bounds() -> None:
    assert printable(HOSTILE) == "a\\x1b[31mred\\r\\nforged\\x00\\x9b\\u202e\\ud800"
    assert printable("é日本 emoji 🎉") == "é日本 emoji 🎉"
    assert printable("x" * 50, 10) == "xxxxxxxxxx... (50 characters)"
    assert printable(5) == "5"
    assert printable_lines("a\nb\x1b\nc") == "a\n  | b\\x1b\n  | c"


def test_one_is_not_many() -> None:
    assert [counted(number, "job") for number in (0, 1, 1_200)] == ["0 jobs", "1 job", "1,200 jobs"]


def test_plain_has_the_facts_on_one_line() -> None:
    text = PlainFormatter().format(record("done %s", "well", **about("app.Hard", "ab12", "low", 1.23456)))
    assert text.endswith("INFO class=app.Hard jid=ab12 queue=low elapsed=1.235: done well")
    assert text[10] == "T"
    assert "Z " in text


@pytest.mark.parametrize(
    ("elapsed", "shown"),
    [(0.000412, "0.412 ms"), (0.05, "50 ms"), (0.9, "900 ms"), (12.345, "12.35 s"), (185, "3 min 5 s")],
)
def test_pretty_shows_the_class_first_and_how_long_it_took(elapsed: float, shown: str) -> None:
    ended = record("end", **about("app.Hard", "ab12", "low", elapsed))
    ended.levelno, ended.levelname = logging.DEBUG, "DEBUG"
    assert PrettyFormatter(colours=False).format(ended)[13:] == f"DEBUG   app.Hard end  {shown}  jid=ab12 queue=low"
    assert "\x1b[1mapp.Hard\x1b[0m \x1b[32mend\x1b[0m" in PrettyFormatter().format(ended)


@pytest.mark.parametrize("formatter", [PlainFormatter(), PrettyFormatter()])
def test_nothing_from_outside_steers_the_terminal_or_forges_a_record(formatter: logging.Formatter) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        made = record("failed: %s", HOSTILE, error=error, **about(HOSTILE, HOSTILE, HOSTILE))
    text = formatter.format(made)
    for colour in ("1", "2", "36", "0"):
        text = text.replace(f"\x1b[{colour}m", "")
    first, *rest = text.split("\n")
    assert rest
    assert all(line.startswith("  | ") for line in rest)
    assert all(line.isprintable() for line in [first, *rest])


def test_json_is_one_object_a_line() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        line = JsonFormatter().format(record(HOSTILE, error=error, **about("app.Hard", "ab12", "low", 2.0)))
    assert "\n" not in line
    assert line.isascii()
    read = json.loads(line)
    assert (read["class"], read["jid"], read["elapsed"], read["level"]) == ("app.Hard", "ab12", 2.0, "INFO")
    assert read["message"] == HOSTILE
    assert "ValueError" in read["error"]


def test_records_of_user_code_carry_the_job_that_runs() -> None:
    class Unit:
        class_name, jid, queue = "app.Hard", "ab12", "low"

    class Instance:
        _unit = Unit

    token = context.current.set(Instance())  # type: ignore[arg-type]
    try:
        assert "class=app.Hard jid=ab12 queue=low: hello" in PlainFormatter().format(record("hello"))
    finally:
        context.current.reset(token)
    assert "jid=" not in PlainFormatter().format(record("hello"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_setup_chooses_by_the_stream(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for stream, kind in ((Terminal(), PrettyFormatter), (io.StringIO(), PlainFormatter)):
        root.handlers[:] = []
        setup(None, "INFO", stream)
        logger.info("hello")
        assert type(root.handlers[0].formatter) is kind
        assert "hello" in stream.getvalue()


def test_without_colours_a_terminal_still_gets_the_pretty_form(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    assert not fastkiq_logging.colourful(stream)
    root.handlers[:] = []
    setup(None, "INFO", stream)
    logger.info("hello", extra={**about("app.Hard", "ab12", "low"), STANDS_OUT: True})
    assert type(root.handlers[0].formatter) is PrettyFormatter
    assert stream.getvalue().endswith(" INFO    app.Hard hello  jid=ab12 queue=low\n")
    assert "\x1b" not in stream.getvalue()


def test_a_failure_stands_out_among_others_of_its_level() -> None:
    formatter = PrettyFormatter()
    assert "\x1b[33mfailed\x1b[0m" in formatter.format(record("failed", **{STANDS_OUT: True}))
    assert "\x1b[33m" not in formatter.format(record("hello"))


def test_a_program_with_its_own_logging_keeps_it(root: logging.Logger) -> None:
    out = io.StringIO()
    own = logging.StreamHandler(out)
    root.handlers[:] = [own]
    setup(None, "INFO", io.StringIO())
    assert root.handlers == [own]
    logger.info("hello")
    assert out.getvalue() == "hello\n"
    setup("json", "INFO", io.StringIO())
    assert root.handlers != [own], "a format asked for by name is used"


def test_a_dict_config_that_switches_loggers_off_does_not_silence_us(root: logging.Logger) -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    assert logger.disabled
    setup(None, "INFO", io.StringIO())
    assert not logger.disabled


def test_stacks_name_every_thread() -> None:
    text = stacks()
    assert "Thread MainThread" in text
    assert "test_stacks_name_every_thread" in text


def deep(levels: int) -> None:
    if levels:
        deep(levels - 1)
    raise ValueError("bottom")


def test_tracebacks_of_hostile_exceptions_are_whole_or_bounded(catch: Callable[..., BaseException]) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise SystemExit

        __notes__ = 5  # type: ignore[assignment]

    error = catch(Broken())
    assert "Broken" in as_text(error, error.__traceback__)
    large = catch(ValueError("x" * 5_000_000))
    assert len(as_text(large, large.__traceback__)) < 70_000
    circular = catch(ValueError("c"))
    circular.__cause__ = circular
    assert "ValueError: c" in as_text(circular, circular.__traceback__)


def test_backtraces_are_bounded_and_the_raising_frame_comes_first() -> None:
    with pytest.raises(RecursionError) as caught:
        deep(sys.getrecursionlimit() * 2)
    assert len(lines(caught.value)) <= 1_000
    assert lines(caught.value, 2)[0].startswith(__file__)
    assert len(compressed(caught.value, 10**9)) < 20_000


@pytest.fixture
def catch() -> Callable[..., BaseException]:
    def caught(error: BaseException) -> BaseException:
        try:
            raise error
        except BaseException as one:
            return one

    return caught


def test_a_jobs_log_level_applies_to_that_job(caplog: pytest.LogCaptureFixture) -> None:
    logger.setLevel(logging.INFO)
    usual = job_logger("app.Hard", {"queue": "x"}, {})
    assert usual.name == "fastkiq.jobs.app.Hard"
    assert not usual.isEnabledFor(logging.DEBUG)
    assert job_logger("app.Hard", {"log_level": "error"}, {}).level == logging.ERROR
    assert job_logger("app.Hard", {"log_level": "error"}, {"log_level": "debug"}).isEnabledFor(logging.DEBUG)
    for nonsense in ("\x1b[31mloud", 5, ["debug"], {}):
        caplog.clear()
        assert job_logger("app.Hard", {}, {"log_level": nonsense}) is usual
        assert "makes no sense" in caplog.text
        assert "\x1b" not in caplog.text
