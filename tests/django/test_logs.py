"""A task that has failed for good is one record, on Django's own logger; with all that is known."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from children import Child
from fastkiq.logging import OF_PROCESS
from servers import wait_until

Work = Callable[..., None]


@contextmanager
def django_silent() -> Iterator[None]:
    from fastkiq.contrib.django.compat import NAME

    logger = logging.getLogger(NAME)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Warnings and errors, but for those about the Redis of the tests."""
    return [
        record for record in caplog.records if record.levelno >= logging.WARNING and not hasattr(record, OF_PROCESS)
    ]


@pytest.mark.parametrize("name", ["attempt", "aattempt"])
def test_one_record_says_all(depot: ModuleType, work: Work, name: str, caplog: pytest.LogCaptureFixture) -> None:
    from depot.parcels import tasks

    from fastkiq.contrib.django.compat import NAME

    result = getattr(tasks, name).enqueue(9)
    work()
    [record] = told(caplog)
    assert (record.name, record.levelname) == (NAME, "ERROR")
    text = record.getMessage()
    assert text.startswith(
        f"Task id={result.id} path=depot.parcels.tasks.{name} state=FAILED: failed for the last time"
    )
    assert "now in the dead set: ValueError: attempt 1" in text
    facts = vars(record)["fastkiq"]
    assert (facts["jid"], facts["queue"]) == (result.id, "default")
    assert facts["elapsed"] >= 0
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


def test_a_task_that_has_killed_three_processes_is_told_once(
    depot: ModuleType, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.tasks import label

    from fastkiq import config as configuration
    from fastkiq.contrib.django.compat import NAME
    from fastkiq.reporter import Reporter

    result = label.enqueue("ann")
    [raw] = redis.lrange("queue:default", 0, -1)
    reporter: Any = SimpleNamespace(_config=configuration.default())
    Reporter._poison(reporter, "depot.parcels.tasks.label", result.id, raw)
    [record] = told(caplog)
    assert (record.name, record.levelname) == (NAME, "ERROR")
    assert "state=FAILED: three processes died while they ran this job" in record.getMessage()


def test_each_of_two_failures_is_told(depot: ModuleType, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    from depot.parcels.tasks import attempt

    results = [attempt.enqueue(9) for _ in range(3)]
    work()
    lines = [record.getMessage() for record in told(caplog)]
    assert len(lines) == 3
    assert all(any(result.id in line for line in lines) for result in results)


def test_where_djangos_logger_is_silent_fastkiqs_line_stays(
    depot: ModuleType, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.tasks import attempt

    with django_silent():
        attempt.enqueue(9)
        work()
    [record] = told(caplog)
    assert (record.name, record.levelname) == ("fastkiq", "WARNING")
    assert record.getMessage().startswith("failed for the last time")


def test_where_djangos_handlers_write_nothing_fastkiqs_line_stays(depot: ModuleType, work: Work) -> None:
    """As by Django's defaults without DEBUG, in a web process that has set up no logging."""
    from depot.parcels.tasks import attempt
    from django.utils.log import AdminEmailHandler, RequireDebugTrue

    from fastkiq.contrib.django.compat import NAME

    written = io.StringIO()
    console, mails, ours = logging.StreamHandler(written), AdminEmailHandler(), logging.StreamHandler(written)
    console.addFilter(RequireDebugTrue())
    tasks, fastkiqs = logging.getLogger(NAME), logging.getLogger("fastkiq")
    tasks.handlers[:], tasks.propagate = [console, mails], False
    fastkiqs.addHandler(ours)
    try:
        attempt.enqueue(9)
        work()
    finally:
        tasks.handlers[:], tasks.propagate = [], True
        fastkiqs.removeHandler(ours)
    assert "\nfailed for the last time; now in the dead set: ValueError: attempt 1" in written.getvalue()


def test_where_fastkiqs_logger_is_silent_djangos_own_record_is_there(
    depot: ModuleType, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.tasks import attempt

    from fastkiq.contrib.django.compat import NAME

    logger = logging.getLogger("fastkiq")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        result = attempt.enqueue(9)
        work()
    finally:
        logger.setLevel(before)
    [record] = told(caplog)
    assert (record.name, record.levelname) == (NAME, "ERROR")
    assert record.getMessage().endswith("state=FAILED")
    assert result.id in record.getMessage()


def test_tries_that_are_not_the_last_and_plain_workers_are_as_ever(
    depot: ModuleType, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.tasks import attempt

    with caplog.at_level(logging.INFO, "fastkiq"):
        attempt.using(retry=3).enqueue(9)
        work()
    again = [record for record in caplog.records if "failed, retry 1 of 3" in record.getMessage()]
    assert [(record.name, record.levelname) for record in again] == [("fastkiq", "INFO")]


def test_a_workers_output_has_it_once(depot: ModuleType, managed: Callable[..., Child]) -> None:
    """With DEBUG, for which Django has a handler of its own on the same stream."""
    from depot.parcels.tasks import attempt

    result = attempt.enqueue(9)
    child = managed("fastkiq", "process", "--drain", DEPOT='{"DEBUG": true}')
    assert child.wait() == 0, child.output()
    lines = [line for line in child.output().splitlines() if "FAILED" in line or "failed for the last time" in line]
    assert len(lines) == 1, lines
    assert f"ERROR class=depot.parcels.tasks.attempt jid={result.id} queue=default" in lines[0]
    assert child.output().count("ValueError: attempt 1 of") == 2, "in the line, and under its traceback"
    assert child.output().count("state=RUNNING") == 1


@contextmanager
def handlers(django: logging.Handler, root: logging.Handler) -> Iterator[list[logging.Handler]]:
    """Those of the logger "django", which are this one, beside the one of the root."""
    logger, top = logging.getLogger("django"), logging.getLogger()
    before, above = list(logger.handlers), list(top.handlers)
    logger.handlers[:], top.handlers[:] = [django], [root]
    try:
        yield logger.handlers
    finally:
        logger.handlers[:], top.handlers[:] = before, above


def test_only_what_is_written_twice_is_written_once(depot: ModuleType, tmp_path: Path) -> None:
    from fastkiq.contrib.django.logs import _write_once

    stream = io.StringIO()

    def of_stream(level: int = logging.NOTSET) -> logging.Handler:
        handler = logging.StreamHandler(stream)
        handler.setLevel(level)
        return handler

    def of_file(name: str) -> logging.Handler:
        return logging.FileHandler(tmp_path / name, delay=True)

    choosy = of_stream()
    choosy.addFilter(lambda record: False)
    for own, other, stays in [
        (of_stream(logging.INFO), of_stream(), False),
        (of_stream(), of_stream(logging.ERROR), True),
        (of_stream(), choosy, True),
        (of_stream(), logging.StreamHandler(io.StringIO()), True),
        (of_file("django"), of_file("app"), True),
    ]:
        with handlers(own, other) as left:
            _write_once()
            assert left == ([own] if stays else [])


def test_what_others_log_of_a_task_that_has_failed_stays(
    depot: ModuleType, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    from depot.parcels.tasks import attempt

    from fastkiq.contrib.django.compat import NAME, signals

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("not to be compared")

    logger = logging.getLogger(NAME)

    def ended(sender: object, task_result: Any, **_: object) -> None:
        logger.error("%s has to be looked at", task_result.id)
        logger.error("%s has to be looked at", Odd())

    signals.task_finished.connect(ended)
    try:
        attempt.enqueue(9)
        work()
    finally:
        signals.task_finished.disconnect(ended)
    assert sum("has to be looked at" in record.getMessage() for record in told(caplog)) == 2
    assert len(told(caplog)) == 3


def test_sentry_has_one_event(depot: ModuleType, work: Work) -> None:
    """In the scope of the run, as for every job."""
    sentry_sdk = pytest.importorskip("sentry_sdk")  # not where Django 6 is tried
    from depot.parcels.tasks import attempt
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.transport import Transport

    from fastkiq import config as configuration
    from fastkiq import outlets
    from fastkiq.contrib.sentry import FastkiqIntegration

    events: list[Any] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(item.get_event() for item in envelope.items if item.get_event() is not None)

    config, present = configuration.default(), outlets.present
    handlers = list(config.error_handlers), list(config.death_handlers)
    integrations = [FastkiqIntegration(), LoggingIntegration()]
    sentry_sdk.init("http://key@127.0.0.1/1", transport=Kept, integrations=integrations, default_integrations=False)
    try:
        result = attempt.enqueue(9)
        work()
        wait_until(lambda: len(events) > 0, 5, "an event")
        sentry_sdk.flush(2)
    finally:
        sentry_sdk.init()
        outlets.present = present
        config.error_handlers[:], config.death_handlers[:] = handlers
        from fastkiq.contrib.sentry.runs import run

        config.server_middleware.remove(run)
    [event] = events
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "fastkiq"
    assert result.id in str(event)
