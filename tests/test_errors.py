"""Errors can be told apart, carry what the core sets on them, and control exceptions check their times."""

import copy
import pickle
from datetime import timedelta

import pytest

import fastkiq
from fastkiq import errors


def classes() -> list[type[BaseException]]:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, BaseException)]
    return [each for each in found if each.__module__ == errors.__name__ and each is not errors.Snooze]


@pytest.mark.parametrize("error", classes(), ids=lambda error: error.__name__)
def test_each_is_made_with_a_message_is_public_and_survives_pickling(error: type[BaseException]) -> None:
    assert getattr(fastkiq, error.__name__) is error
    assert str(error("why")) == "why"
    assert str(pickle.loads(pickle.dumps(error("why")))) == "why"


def test_the_kinds_of_redis_errors_do_not_imply_each_other() -> None:
    kinds = [each for each in classes() if issubclass(each, errors.RedisError) and each is not errors.RedisError]
    assert len(kinds) == 10
    assert not [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)]


def test_a_redis_error_says_how_far_a_bulk_push_came() -> None:
    error = errors.PushUncertain("lost")
    assert (error.jid, error.pushed, error.uncertain, error.rest) == (None, (), (), ())
    error.pushed = ["a"]
    assert errors.PushUncertain("another").pushed == ()


def test_argument_errors_are_what_python_programs_expect() -> None:
    assert issubclass(fastkiq.ArgumentError, TypeError)
    assert issubclass(fastkiq.ArgumentError, ValueError)
    assert issubclass(fastkiq.DefinitionError, TypeError)
    assert issubclass(fastkiq.ConfigError, ValueError)


def test_shutdown_escapes_except_exception() -> None:
    assert not issubclass(fastkiq.Shutdown, Exception)


@pytest.mark.parametrize(("given", "seconds"), [(5, 5.0), (0, 0.0), (1.5, 1.5), (timedelta(minutes=1), 60.0)])
def test_times_of_control_exceptions(given: float | timedelta, seconds: float) -> None:
    assert fastkiq.Retry(in_=given).in_ == seconds
    assert fastkiq.Snooze("later", in_=given).in_ == seconds
    assert fastkiq.Retry().in_ is None


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), 10**400, True, "5", timedelta(seconds=-1)])
def test_times_that_make_no_sense_are_refused(given: object) -> None:
    with pytest.raises(fastkiq.ArgumentError, match="Retry"):
        fastkiq.Retry(in_=given)  # type: ignore[arg-type]
    with pytest.raises(fastkiq.ArgumentError, match="Snooze"):
        fastkiq.Snooze(in_=given)  # type: ignore[arg-type]


def test_verdicts_keep_their_identity() -> None:
    assert pickle.loads(pickle.dumps(fastkiq.DISCARD)) is fastkiq.DISCARD
    assert copy.deepcopy(fastkiq.KILL) is fastkiq.KILL
    assert repr(fastkiq.KILL) == "fastkiq.KILL"
