"""What is around each job: connections, language and time zone."""

import zoneinfo
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from redis import Redis

import fastkiq

Work = Callable[..., None]
seen: list[Any] = []


class Look(fastkiq.Worker, name="around.Look"):
    def perform(self, sql: bool) -> None:
        from django.db import connection

        seen.append((connection.connection, connection.close_at))
        if sql:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")


class Leave(fastkiq.Worker, name="around.Leave"):
    """Leaves behind what it should not."""

    def perform(self) -> None:
        from django.utils import timezone, translation

        seen.append((translation.get_language(), timezone.get_current_timezone_name()))
        translation.activate("fr")
        timezone.activate(zoneinfo.ZoneInfo("Asia/Tokyo"))


class ALook(fastkiq.Worker, name="around.ALook"):
    async def perform(self) -> None:
        from asgiref.sync import sync_to_async
        from depot.parcels.models import Parcel
        from django.db import connection, connections

        def of_this_thread() -> Any:
            return connections["default"].connection

        assert connection.connection is None, "nothing is opened on the event loop"
        before = await sync_to_async(of_this_thread)()
        await Parcel.objects.acount()
        seen.append((before, await sync_to_async(of_this_thread)()))


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    seen.clear()
    yield
    seen.clear()


def test_a_connection_that_is_no_longer_good_is_closed_around_a_job(depot: ModuleType) -> None:
    """CONN_MAX_AGE is 0 here: what a job opens is closed after it, also where it failed."""
    from django.db import connections

    with fastkiq.run_in_process(queues=["default"], concurrency=1) as workers:
        for sql in (True, False):
            Look.perform_async(sql)
        _finish(workers, 2)
    assert [connection for connection, _ in seen] == [None, None]
    assert connections["default"] is not None


def test_a_connection_that_has_grown_old_while_nothing_ran_is_closed_before_a_job(depot: ModuleType) -> None:
    from django.db import connection

    from fastkiq.contrib.django.around import Around

    connection.ensure_connection()
    connection.close_at = 0.0  # CONN_MAX_AGE has passed
    around = Around().call(SimpleNamespace(_unit=object()), None)  # type: ignore[arg-type]
    next(around)
    assert connection.connection is None
    around.close()


def test_a_coroutine_has_a_thread_and_connections_of_its_own(depot: ModuleType) -> None:
    with fastkiq.run_in_process(queues=["default"]) as workers:
        for _ in range(3):
            ALook.perform_async()
        _finish(workers, 3)
    assert [before for before, _ in seen] == [None] * 3
    assert len({id(opened) for _, opened in seen}) == 3
    for _, opened in seen:
        with pytest.raises(Exception, match="closed"):
            opened.execute("SELECT 1")


class Asks(fastkiq.Worker, name="around.Asks"):
    def perform(self) -> None:
        from depot.parcels.models import Parcel
        from django.db import connection

        list(Parcel.objects.all())
        seen.append(len(connection.queries_log))


def test_with_debug_the_queries_of_a_job_end_with_it(depot: ModuleType) -> None:
    """Django forgets them when a request begins, and keeps 9,000 of each thread, however long they are."""
    from django.test import override_settings

    with override_settings(DEBUG=True), fastkiq.run_in_process(queues=["default"], concurrency=1) as workers:
        for _ in range(3):
            Asks.perform_async()
        _finish(workers, 3)
    assert len(set(seen)) == 1


def test_a_job_in_the_callers_own_code_leaves_its_connection_alone(depot: ModuleType) -> None:
    from depot.parcels.models import Parcel
    from django.db import connection

    Parcel.objects.count()
    mine = connection.connection
    assert mine is not None
    connection.close_at = 0.0
    Look.perform_inline(True)
    assert connection.connection is mine


def test_language_and_zone_go_along_and_end_with_the_job(depot: ModuleType, work: Work) -> None:
    from depot.parcels.tasks import asurroundings, surroundings
    from django.utils import timezone, translation

    with translation.override("de"), timezone.override("Europe/Berlin"):
        german = [surroundings.enqueue(), asurroundings.enqueue()]
    plain = [surroundings.enqueue(), asurroundings.enqueue()]
    work()
    for result in (*german, *plain):
        result.refresh()
    assert german[0].return_value == {"language": "de", "text": "Ja", "zone": "Europe/Berlin", "atomic": False}
    assert german[1].return_value == {"language": "de", "zone": "Europe/Berlin"}
    assert plain[0].return_value == {"language": "en-us", "text": "Yes", "zone": "UTC", "atomic": False}
    assert plain[1].return_value == {"language": "en-us", "zone": "UTC"}


def test_what_a_job_activates_does_not_reach_the_next_one(depot: ModuleType) -> None:
    with fastkiq.run_in_process(queues=["default"], concurrency=1) as workers:
        for _ in range(2):
            Leave.perform_async()
        _finish(workers, 2)
    assert seen == [("en-us", "UTC")] * 2


@pytest.mark.parametrize("language", ["xx-nowhere", "../../etc/passwd", "de\0", "", 7, ["de"], "d" * 10_000])
def test_a_language_that_makes_no_sense_is_the_projects(depot: ModuleType, language: Any) -> None:
    from django.utils import translation

    from fastkiq.contrib.django.around import _in_language

    with _in_language(language):
        assert translation.get_language() == "en-us"


@pytest.mark.parametrize(
    "zone", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", "UTC\0", "", 7, "Europe", "a" * 10_000]
)
def test_a_zone_that_makes_no_sense_is_the_projects(depot: ModuleType, zone: Any) -> None:
    from django.utils import timezone

    from fastkiq.contrib.django.around import _in_zone

    with _in_zone(zone):
        assert timezone.get_current_timezone_name() == "UTC"


def test_no_signals_of_requests(depot: ModuleType, work: Work, redis: Redis) -> None:
    from depot.parcels.tasks import label
    from django.core.signals import request_finished, request_started

    heard: list[Any] = []

    def listen(**facts: Any) -> None:
        heard.append(facts)

    for signal in (request_started, request_finished):
        signal.connect(listen)
    try:
        label.enqueue("ann")
        work()
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(listen)
    assert heard == []
    assert redis.get("stat:processed") == b"1"


def _finish(workers: Any, jobs: int) -> None:
    from servers import wait_until

    wait_until(lambda: workers._launcher.server.processed == jobs, 15, f"{jobs} jobs")
    assert workers._launcher.server.failed == 0
