"""What becomes of a job that did not end well."""

import asyncio
import base64
import json
import logging
import time
import zlib
from typing import Any

import pytest

import fastkiq
from fakes import FakeUnit, define
from fastkiq.config import Config
from fastkiq.logging import STANDS_OUT
from fastkiq.policy import RetryPolicy, class_name, message_of
from policy_kit import NOW_MS, Seen, config, fail, policy, raised

__all__ = ["config", "policy"]


def test_a_first_failure(policy: RetryPolicy) -> None:
    unit = fail(policy, ValueError("boom <b>é"))
    assert unit.outcome == (
        "retry",
        15 + 9,
        {"error_message": "boom <b>é", "error_class": "ValueError", "retry_count": 0, "failed_at": NOW_MS},
        True,
    )


def test_a_later_failure_keeps_the_first_ones_time(policy: RetryPolicy) -> None:
    unit = fail(policy, ValueError("x"), retry_count=2, failed_at=NOW_MS - 5, retried_at=NOW_MS - 3)
    assert unit.fields == {"error_message": "x", "error_class": "ValueError", "retry_count": 3, "retried_at": NOW_MS}
    assert unit.outcome is not None
    assert unit.outcome[1] == 96 + 39


def test_a_first_retry_begun_by_hand_is_a_later_failure(policy: RetryPolicy, caplog: pytest.LogCaptureFixture) -> None:
    """Sidekiq's Web UI takes one from the count, and leaves -1."""
    unit = fail(policy, ValueError("x"), retry_count=-1, failed_at=NOW_MS - 5)
    assert unit.fields == {"error_message": "x", "error_class": "ValueError", "retry_count": 0, "retried_at": NOW_MS}
    assert "make no sense" not in caplog.text


def test_the_last_failure_kills_and_tells(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    unit = fail(policy, ValueError("x"), retry_count=24, failed_at=NOW_MS)
    assert unit.outcome is not None
    assert unit.outcome[0] == "kill"
    assert seen.kinds() == ["error", "died"]
    job = seen[1][1]
    assert (job.payload["retry_count"], job.error_class) == (25, "ValueError")


def test_hooks_and_handlers_hear_of_the_run_that_failed(policy: RetryPolicy, config: Config) -> None:
    attempts: list[int] = []

    def retry_in(cls: Any, count: int, error: BaseException, job: fastkiq.Job) -> None:
        attempts.append(job.attempt)

    config.error_handlers.append(lambda error, context: attempts.append(context["job"].attempt))
    config.death_handlers.append(lambda job, error: attempts.append(job.attempt))
    fail(policy, ValueError(), define(retry_in=retry_in))
    assert attempts == [1, 1]
    fail(policy, ValueError(), define(retry_in=retry_in), retry_count=0, failed_at=NOW_MS)
    assert attempts == [1, 1, 2, 2]
    fail(policy, ValueError(), retry=0)
    assert attempts == [1, 1, 2, 2, 1, 1]


def test_the_headline_is_short_and_the_traceback_whole(policy: RetryPolicy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fail(policy, ValueError("long\n" * 400))
    record = caplog.records[-1]
    assert record.levelname == "INFO"
    assert len(record.getMessage()) < 350
    assert "\n" not in record.getMessage()
    assert record.exc_info is not None
    assert getattr(record, STANDS_OUT)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (fastkiq.Kill(), "killed by itself; now in the dead set: fastkiq.Kill"),
        (ValueError(), "failed, retry 1 of 25 in 24 s: ValueError"),
        (fastkiq.Snooze(in_=60), "snoozed for 60 s"),
        (fastkiq.Snooze("not yet open", in_=60), "snoozed for 60 s: not yet open"),
    ],
)
def test_no_empty_tails_and_nothing_twice(
    policy: RetryPolicy, caplog: pytest.LogCaptureFixture, error: BaseException, says: str
) -> None:
    caplog.set_level(logging.INFO)
    fail(policy, error)
    assert caplog.records[-1].getMessage() == says


def test_retry_false_drops_and_zero_kills(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    assert fail(policy, ValueError(), retry=False).outcome == ("fail",)
    assert seen.kinds() == ["error", "died"]
    assert fail(policy, ValueError(), retry=0).outcome is not None
    assert fail(policy, ValueError(), retry=0).outcome[0] == "kill"  # type: ignore[index]


def test_dead_false_discards(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    assert fail(policy, ValueError(), retry=0, dead=False).outcome == ("fail",)
    assert seen.kinds() == ["error", "died"]
    assert seen[1][1].payload["discarded_at"] == NOW_MS


def test_retry_queue(policy: RetryPolicy) -> None:
    assert fail(policy, ValueError(), retry_queue="slow").fields["queue"] == "slow"


@pytest.mark.parametrize("lines", [True, 1])
def test_backtraces_are_in_sidekiqs_form_without_our_frames(policy: RetryPolicy, lines: bool | int) -> None:
    text = fail(policy, ValueError("x"), backtrace=lines).fields["error_backtrace"]
    assert text.startswith("eJ")
    stored = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
    assert stored[0].startswith(raised.__code__.co_filename)
    assert stored[0].endswith("in raised")
    assert len(stored) == 1
    assert "/python/fastkiq/" not in "".join(stored)


def test_a_backtrace_of_an_earlier_error_goes(policy: RetryPolicy) -> None:
    assert fail(policy, ValueError("x"), error_backtrace="eJold").fields["error_backtrace"] is None


def test_an_entry_is_mended_for_every_reader(policy: RetryPolicy, caplog: pytest.LogCaptureFixture) -> None:
    unit = fail(policy, ValueError(), tags="a", enqueued_at="2026-01-01", jid=None, queue=5, retry_count="7", cattr=3)
    assert unit.stored["tags"] == ["a"]
    assert unit.stored.keys().isdisjoint({"enqueued_at", "cattr"})
    assert (unit.stored["queue"], unit.stored["retry_count"], unit.stored["failed_at"]) == ("default", 0, NOW_MS)
    assert len(unit.stored["jid"]) == 24
    assert "cattr: removed" in caplog.text
    assert "retry_count: '7'" in caplog.text


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), BaseException("x"), MemoryError()]
)
def test_every_kind_of_exception_is_a_failure(policy: RetryPolicy, error: BaseException) -> None:
    assert fail(policy, error).fields["error_class"] == type(error).__name__


class Silent(Exception):
    def __str__(self) -> str:
        raise SystemExit("no message for you")


def test_messages_are_made_fit() -> None:
    assert message_of(Silent()) == "!!! ERROR MESSAGE THREW AN ERROR !!!"
    assert message_of(ValueError("x" * 5_000_000)) == "x" * 10_000
    assert message_of(ValueError("a\ud800b")) == "a?b"
    assert class_name(Silent()) == f"{__name__}.Silent"
    assert class_name(fastkiq.RedisError()) == "fastkiq.RedisError"


@pytest.mark.parametrize(
    "error", [Silent(), ValueError("x" * 5_000_000), ValueError("\x1b[2J\n2026 forged line \u202e")]
)
def test_hostile_errors_reach_the_log_short_and_escaped(
    policy: RetryPolicy, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fastkiq"):
        assert fail(policy, error).outcome[0] == "retry"  # type: ignore[index]
    message = caplog.records[-1].getMessage()
    assert len(message) < 2_000
    assert message.isprintable()
    assert caplog.records[-1].exc_info


def test_shutdown_is_nobodys_failure_once_the_process_stops(policy: RetryPolicy) -> None:
    assert fail(policy, fastkiq.Shutdown()).outcome[0] == "retry"  # type: ignore[index] # nobody asked it to stop
    policy.stopping = True
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    circular = RuntimeError("circular")
    circular.__context__ = one
    hidden = RuntimeError("while cleaning up")
    hidden.__context__ = RuntimeError("deeper")
    hidden.__context__.__context__ = fastkiq.Shutdown()
    grouped = BaseExceptionGroup("all", [ValueError(), fastkiq.Shutdown()])
    for error in (fastkiq.Shutdown(), asyncio.CancelledError(), hidden, grouped):
        assert fail(policy, error).outcome == ("give_back",)
    for error in (circular, ValueError()):
        assert fail(policy, error).outcome[0] == "retry"  # type: ignore[index]


def test_who_was_settled_already_is_not_told_dead(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    entry = define()
    unit = FakeUnit(entry, retry=0)
    unit.give_back()
    policy.failed(unit, entry, raised(ValueError()), 0.1)  # type: ignore[arg-type]
    assert seen == []


def test_an_unknown_class_waits_and_costs_no_attempt(policy: RetryPolicy, caplog: pytest.LogCaptureFixture) -> None:
    unit = FakeUnit(None, **{"class": "app.Gone"})
    with caplog.at_level(logging.INFO, "fastkiq"):
        policy.unknown(unit)  # type: ignore[arg-type]
        policy.unknown(FakeUnit(None, **{"class": "app.Gone"}))  # type: ignore[arg-type]
    assert unit.outcome is not None
    assert (unit.outcome[0], unit.outcome[1], unit.outcome[3]) == ("retry", 15 + 9, False)
    assert unit.fields["failed_at"] == NOW_MS
    assert "retry_count" not in unit.fields
    assert "app.Gone" in unit.fields["error_message"]
    assert "fastkiq process" in unit.fields["error_message"]
    assert len(caplog.records) == 1, "a backlog of one class is one line a minute"


def test_an_unknown_class_in_its_later_life(policy: RetryPolicy) -> None:
    unit = FakeUnit(None, failed_at=NOW_MS - 100_000, retry_count=4, retried_at="x")
    policy.unknown(unit)  # type: ignore[arg-type]
    assert unit.outcome is not None
    assert unit.outcome[1] == 50 + 9
    assert abs(unit.stored["retried_at"] / 1000 - time.time()) < 60, "the core's clock"
    assert not {"failed_at", "retry_count"} & set(unit.fields)


def test_when_the_policy_itself_breaks_the_job_is_kept(policy: RetryPolicy, caplog: pytest.LogCaptureFixture) -> None:
    unit = FakeUnit(define())
    unit.payload = lambda: (_ for _ in ()).throw(MemoryError())  # type: ignore[method-assign]
    policy.failed(unit, define(), raised(ValueError("x")), 0.1)  # type: ignore[arg-type]
    assert unit.outcome is not None
    assert unit.outcome[:2] == ("retry", 60.0)
    assert "cannot settle" in caplog.text


def test_what_it_then_writes_is_fit_for_the_web_ui(policy: RetryPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(policy, "_settle", broken)
    unit = FakeUnit(define(), queue=7, tags="x", jid=None)
    policy.failed(unit, define(), raised(ValueError("x")), 0.1)  # type: ignore[arg-type]
    assert (unit.stored["queue"], unit.stored["tags"], len(unit.stored["jid"])) == ("default", ["x"], 24)
    assert unit.stored["failed_at"] == NOW_MS
