"""What becomes of a job that did not end well."""

import asyncio
import base64
import json
import logging
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import fastkiq
from fakes import FakeUnit
from fastkiq import registry
from fastkiq.config import Config
from fastkiq.logging import STANDS_OUT
from fastkiq.policy import RetryPolicy, class_name, message_of

NOW = 1_795_306_000.0
NOW_MS = int(NOW * 1000)


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def policy(config: Config) -> RetryPolicy:
    return RetryPolicy(config, clock=lambda: NOW, jitter=lambda bound: bound - 1)


class Seen(list[Any]):
    """What the handlers were told."""

    def watch(self, config: Config) -> "Seen":
        config.death_handlers.append(lambda job, error: self.append(("died", job, error)))
        config.error_handlers.append(lambda error, context: self.append(("error", error, context)))
        return self

    def kinds(self) -> list[str]:
        return [entry[0] for entry in self]


def define(perform: Callable[..., Any] = lambda self: None, **options: Any) -> registry.Entry:
    hooks = {key: options.pop(key) for key in ("retry_in", "retries_exhausted") if key in options}
    body = {"perform": perform, **{key: classmethod(hook) for key, hook in hooks.items()}}
    made: Any = type("Hard", (fastkiq.Worker,), body, **options)  # type: ignore[call-overload]
    entry: registry.Entry = made.__fastkiq__
    return entry


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def fail(policy: RetryPolicy, error: BaseException, entry: registry.Entry | None = None, **fields: Any) -> FakeUnit:
    entry = entry or define()
    unit = FakeUnit(entry, **fields)
    policy.failed(unit, entry, raised(error), 0.5)  # type: ignore[arg-type]
    return unit


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
    assert stored[0].startswith(__file__)
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
