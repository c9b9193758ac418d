"""Hooks and handlers: in their order, each guarded from the errors of the others."""

from typing import Any

import pytest

import fastkiq
from fastkiq import Config, ConfigError, events


def test_hooks_run_in_order_and_are_guarded() -> None:
    config = Config()
    log: list[str] = []
    reported: list[tuple[BaseException, dict[str, Any]]] = []
    config.error_handlers.append(lambda error, context: reported.append((error, context)))

    @config.on("quiet")
    def first() -> None:
        log.append("first")

    @config.on("quiet")
    def broken() -> None:
        raise ValueError("hook")

    config.on("quiet", lambda: log.append("last"))
    config.on("beat", lambda: log.append("beat 1"))
    config.on("beat", lambda: log.append("beat 2"))
    events.fire(config, "quiet")
    events.fire(config, "beat")
    assert log == ["last", "first", "beat 1", "beat 2"]
    assert [(str(error), context["context"]) for error, context in reported] == [
        ("hook", "error in a hook of the event 'quiet'")
    ]
    config.on("startup", broken)
    with pytest.raises(ValueError, match="hook"):
        events.fire(config, "startup")


def test_unknown_events_and_hooks_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown event 'startsup'; did you mean 'startup'"):
        Config().on("startsup", print)
    with pytest.raises(ConfigError, match="must be callable"):
        Config().on("startup", 5)  # type: ignore[call-overload]

    async def hook() -> None: ...

    with pytest.raises(ConfigError, match="cannot be async"):
        Config().on("startup", hook)


def test_handlers_are_guarded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    config = Config()
    seen: list[str] = []

    def broken(*_: object) -> None:
        raise ValueError("handler")

    config.error_handlers += [broken, lambda error, context: seen.append(f"error {error}")]
    config.death_handlers += [broken, lambda job, error: seen.append(f"dead {job.jid} {error}")]
    job = fastkiq.Job(jid="j", class_name="A", queue="q", args=[])
    events.died(config, job, KeyError("why"))
    assert seen == ["error handler", "dead j 'why'"]
    assert "error handler <function" in caplog.text
