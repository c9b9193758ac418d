"""What hooks, and the job itself, say about a failure, and what becomes of it."""

import logging
from typing import Any

import pytest

import fastkiq
from fakes import define
from fastkiq.config import Config
from fastkiq.policy import RetryPolicy
from policy_kit import Seen, config, fail, policy

__all__ = ["config", "policy"]


def test_retry_in_decides(policy: RetryPolicy) -> None:
    asked: list[Any] = []

    def retry_in(cls: type, count: int, error: BaseException, job: fastkiq.Job) -> float:
        asked.append((cls.__name__, count, str(error), job.payload["retry_count"]))
        return 100

    unit = fail(policy, ValueError("x"), define(retry_in=retry_in), retry_count=0, failed_at=1)
    assert unit.outcome is not None
    assert unit.outcome[1] == 100 + 19
    assert asked == [("Hard", 1, "x", 1)]


def test_retry_in_discards_or_kills(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    assert fail(policy, ValueError(), define(retry_in=lambda *_: fastkiq.DISCARD)).outcome == ("fail",)
    assert seen.kinds() == ["error", "died"]
    killed = fail(policy, ValueError(), define(retry_in=lambda *_: fastkiq.KILL))
    assert killed.outcome is not None
    assert killed.outcome[0] == "kill"


@pytest.mark.parametrize("answer", ["soon", object(), float("nan")])
def test_a_broken_retry_in_is_reported_and_the_backoff_used(policy: RetryPolicy, config: Config, answer: Any) -> None:
    seen = Seen().watch(config)
    unit = fail(policy, ValueError(), define(retry_in=lambda *_: answer))
    assert unit.outcome is not None
    assert unit.outcome[1] == 24
    assert seen[0][2]["context"] == "retry_in raised"


def test_hooks_that_raise_whatever_are_survived(policy: RetryPolicy) -> None:
    def leave(*_: Any) -> None:
        raise SystemExit(3)

    entry = define(retry_in=leave, retries_exhausted=leave)
    assert fail(policy, ValueError(), entry).outcome[:2] == ("retry", 24)  # type: ignore[index]
    assert fail(policy, ValueError(), entry, retry=0).outcome[0] == "kill"  # type: ignore[index]


def test_retries_exhausted_may_discard(policy: RetryPolicy, config: Config) -> None:
    told: list[Any] = []

    def exhausted(cls: type, job: fastkiq.Job, error: BaseException) -> Any:
        told.append((job.error_message, error))
        return fastkiq.DISCARD

    error = ValueError("x")
    assert fail(policy, error, define(retries_exhausted=exhausted), retry=0).outcome == ("fail",)
    assert told == [("x", error)]


def test_broken_handlers_stop_nobody(policy: RetryPolicy, config: Config) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("handler")

    config.death_handlers.append(broken)
    config.error_handlers.append(broken)
    seen = Seen().watch(config)
    assert fail(policy, ValueError(), retry=False).outcome == ("fail",)
    assert "died" in seen.kinds()


def test_control_exceptions(policy: RetryPolicy, config: Config) -> None:
    seen = Seen().watch(config)
    again = fail(policy, fastkiq.Retry("busy", in_=60))
    assert again.outcome is not None
    assert again.outcome[:2] == ("retry", 60)
    assert (again.fields["error_class"], again.fields["error_message"]) == ("fastkiq.Retry", "busy")
    usual = fail(policy, fastkiq.Retry())
    assert usual.outcome is not None
    assert usual.outcome[1] == 24
    assert fail(policy, fastkiq.Retry(in_=60), retry=0).outcome[0] == "kill"  # type: ignore[index]
    assert fail(policy, fastkiq.Kill()).outcome[0] == "kill"  # type: ignore[index]
    assert fail(policy, fastkiq.Discard()).outcome == ("fail",)
    assert "error" not in seen.kinds(), "none of these is an error"
    assert seen.kinds().count("died") == 3


def test_kill_kills_also_what_is_never_retried(policy: RetryPolicy) -> None:
    assert fail(policy, fastkiq.Kill(), retry=False).outcome[0] == "kill"  # type: ignore[index]
    assert fail(policy, fastkiq.Kill(), retry=False, dead=False).outcome == ("fail",)


def test_a_control_exceptions_cause_is_what_is_stored(policy: RetryPolicy) -> None:
    try:
        try:
            raise TimeoutError("slow")
        except TimeoutError as error:
            raise fastkiq.Retry(in_=1) from error
    except fastkiq.Retry as caught:
        unit = fail(policy, caught)
    assert (unit.fields["error_class"], unit.fields["error_message"]) == ("TimeoutError", "slow")


def test_a_cause_that_counts_as_false_is_stored_too(policy: RetryPolicy) -> None:
    class Problems(Exception):
        def __len__(self) -> int:
            return 0

    again = fastkiq.Retry(in_=1)
    again.__cause__ = Problems("none left")
    assert fail(policy, again).fields["error_message"] == "none left"


def test_a_retry_from_an_error_is_one_line_until_it_is_the_last(
    policy: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    again = fastkiq.Retry(in_=1)
    again.__cause__ = TimeoutError("slow")
    with caplog.at_level(logging.INFO, "fastkiq"):
        assert fail(policy, again, retry=1).outcome[0] == "retry"  # type: ignore[index]
        assert fail(policy, again, retry=0).outcome[0] == "kill"  # type: ignore[index]
    expected, last = caplog.records
    assert expected.getMessage() == "failed, retry 1 of 1 in 1 s: TimeoutError: slow"
    assert expected.exc_info is None
    assert last.exc_info is not None
    assert last.exc_info[1] is again.__cause__


def test_snooze_counts_no_attempt(policy: RetryPolicy) -> None:
    unit = fail(policy, fastkiq.Snooze(in_=60), retry_count=3, failed_at=1, retried_at=2)
    assert unit.outcome == ("schedule", 60, {"enqueued_at": None})


def test_at_most_once_is_never_repeated(policy: RetryPolicy) -> None:
    entry = define(ack="start")
    for error in (ValueError(), fastkiq.Retry(in_=1), fastkiq.Snooze(in_=1), fastkiq.Kill()):
        assert fail(policy, error, entry).outcome == ("fail",)
