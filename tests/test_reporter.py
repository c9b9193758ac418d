"""What the core tells goes to the log, escaped, and to the handlers and hooks that it concerns."""

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import fastkiq
from fastkiq.config import Config
from fastkiq.reporter import Reporter

HOSTILE = "\x1b[2J\r\nforged\u202e"


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def tell(config: Config) -> Iterator[Callable[..., None]]:
    """Tells events and waits until all are reported."""

    def all_of(*events: tuple[Any, ...]) -> None:
        reporter = Reporter(config, SimpleNamespace(rtt=0.2))  # type: ignore[arg-type]
        reporter.start()
        for event in events:
            reporter.tell(event)
        reporter.finish(10)
        assert not reporter.is_alive()

    return all_of


@pytest.fixture
def heard(config: Config) -> list[Any]:
    """What the handlers were told."""
    told: list[Any] = []
    config.error_handlers.append(lambda error, context: told.append(("error", str(error), context["job"].raw)))
    config.death_handlers.append(lambda job, error: told.append(("death", job.raw, error and str(error))))
    return told


def test_a_bad_payload_is_logged_and_told(
    tell: Callable[..., None], heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    tell(("bad", f"no JSON {HOSTILE}", "mail", b"\xff{"))
    assert heard == [
        ("error", f"bad payload: no JSON {HOSTILE}", b"\xff{"),
        ("death", b"\xff{", f"bad payload: no JSON {HOSTILE}"),
    ]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().isprintable()
    assert record.fastkiq["queue"] == "mail"  # type: ignore[attr-defined]


def test_a_poison_pill_is_a_death(
    tell: Callable[..., None], heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    raw = b'{"class":"app.Killer","jid":"a","queue":"mail"}'
    tell(("poison", "app.Killer", "a", raw))
    assert heard == [("death", raw, "its process died three times while it ran")]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_beats_reach_their_hooks_and_slow_ones_are_said_once(
    tell: Callable[..., None], config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    config.on("beat", lambda: seen.append("beat"))
    config.on("heartbeat", lambda: seen.append("heartbeat"))
    tell(("heartbeat",), *[("beat",)] * 7)
    assert seen == ["heartbeat", *["beat"] * 7]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "200 ms" in caplog.text


def test_the_other_lines(tell: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell(("log", logging.ERROR, "100% of it"), ("recovered", f"host{HOSTILE}", 3), ("summary", 1200, 34, 60.0))
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "INFO"]
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert "100% of it" in caplog.text
    assert "1,200 jobs in 60 s, 34 failed" in caplog.text


def test_no_hook_and_no_report_ends_it(
    tell: Callable[..., None], config: Config, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def leave(*_: Any) -> None:
        raise SystemExit(3)

    config.death_handlers.insert(0, leave)
    config.error_handlers.clear()
    config.on("beat", leave)
    tell(("beat",), ("of a kind that nobody knows", 1), ("poison", "app.Killer", "a", b"{}"))
    assert heard == [("death", b"{}", "its process died three times while it ran")]
    assert "nobody knows" in caplog.text


def test_a_death_handler_gets_a_record_whatever_the_bytes(tell: Callable[..., None], config: Config) -> None:
    jobs: list[fastkiq.Job] = []
    config.death_handlers.append(lambda job, error: jobs.append(job))
    tell(("bad", "x", "mail", b"[" * 200_000))
    assert [(job.queue, job.args, job.payload) for job in jobs] == [("mail", [], {})]
