"""With a real PostgreSQL: jobs see what was committed, and connections that have died are replaced."""

import json
import subprocess
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import psycopg
import pytest
from redis import Redis

from children import Child
from postgres_server import Postgres, is_missing, postgres
from servers import wait_until

pytestmark = pytest.mark.skipif(is_missing(), reason="no PostgreSQL on this machine; .ci/run installs it")


@pytest.fixture(scope="module")
def database_server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture
def settings(database_server: Postgres, managed: Callable[..., Child]) -> str:
    """For DEPOT, with tables made."""
    entry = {**database_server.entry, "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    given = json.dumps({"DATABASES": {"default": entry}, "FASTKIQ": {"enqueue_after_commit": True}})
    made = managed("migrate", "--run-syncdb", "-v", "0", DEPOT=given)
    assert made.wait(60) == 0, made.output()
    return given


def test_a_worker_sees_what_was_committed_and_survives_dead_connections(
    depot: ModuleType,
    manage: Callable[..., subprocess.CompletedProcess[str]],
    managed: Callable[..., Child],
    settings: str,
    redis: Redis,
) -> None:
    worker = managed("fastkiq", "process", "-c", "1", DEPOT=settings)
    worker.wait_for("ready:")
    code = """
import time
from django.db import connection, transaction
from depot.parcels.models import Parcel
from depot.parcels.workers import Weigh
for round in range(3):
    with transaction.atomic():
        parcel = Parcel.objects.create(to=f"round {round}")
        Weigh.perform_async(parcel.pk)
        time.sleep(0.3)
    for _ in range(400):
        parcel.refresh_from_db()
        if parcel.note == "weighed":
            break
        time.sleep(0.02)
    assert parcel.note == "weighed", parcel.note
    with connection.cursor() as cursor:  # as a restart of the database does it
        cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        assert cursor.fetchone()[0] >= 1, "the worker keeps its connection"
with transaction.atomic():
    parcel = Parcel.objects.create(to="never")
    Weigh.perform_async(parcel.pk)
    transaction.set_rollback(True)
print("well")
"""
    done = manage("shell", "-c", code, DEPOT=settings)
    assert done.stdout.splitlines()[-1:] == ["well"], done.stderr + worker.output()
    wait_until(lambda: redis.get("stat:processed") == b"3", 10)
    assert redis.get("stat:failed") is None
    assert worker.stop() == 0


def test_coroutines_have_connections_of_their_own_and_leave_none(
    depot: ModuleType,
    manage: Callable[..., subprocess.CompletedProcess[str]],
    managed: Callable[..., Child],
    settings: str,
    redis: Redis,
) -> None:
    worker = managed("fastkiq", "process", DEPOT=settings)
    worker.wait_for("ready:")
    code = """
import time
from django.db import connection
from depot.parcels.models import Parcel
from depot.parcels.tasks import alabel
results = [alabel.enqueue(f"to {number}") for number in range(20)]
for result in results:
    for _ in range(400):
        result.refresh()
        if result.is_finished:
            break
        time.sleep(0.02)
    assert result.status == "SUCCESSFUL", (result.status, result.errors)
assert Parcel.objects.filter(note="async").count() == 20
with connection.cursor() as cursor:
    for _ in range(100):
        cursor.execute("SELECT count(*) FROM pg_stat_activity "
                       "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        left = cursor.fetchone()[0]
        if not left:
            break
        time.sleep(0.02)
assert left == 0, left
print("well")
"""
    done = manage("shell", "-c", code, DEPOT=settings)
    assert done.stdout.splitlines()[-1:] == ["well"], done.stderr + worker.output()
    assert worker.stop() == 0


def test_a_restart_of_the_database_costs_no_job_that_runs_after_it(
    depot: ModuleType, managed: Callable[..., Child], settings: str, database_server: Postgres, redis: Redis
) -> None:
    from depot.parcels.workers import Weigh

    def weigh(to: str) -> None:
        with _connection(database_server) as line:
            found = line.execute(
                "INSERT INTO parcels_parcel (\"to\", note) VALUES (%s, '') RETURNING id", [to]
            ).fetchone()
        assert found is not None
        Weigh.perform_async(found[0])

    def weighed() -> list[str]:
        with _connection(database_server) as line:
            rows = line.execute("SELECT \"to\" FROM parcels_parcel WHERE note = 'weighed' ORDER BY id").fetchall()
        return [to for (to,) in rows]

    with _connection(database_server) as line:
        line.execute("DELETE FROM parcels_parcel")
    worker = managed("fastkiq", "process", "-c", "1", DEPOT=settings)
    worker.wait_for("ready:")
    weigh("before")
    wait_until(lambda: weighed() == ["before"], 10)
    database_server.stop()
    Weigh.perform_async(0)
    wait_until(lambda: redis.zcard("retry") == 1, 10)
    database_server.start()
    for number in range(3):
        weigh(f"after {number}")
    wait_until(lambda: len(weighed()) == 4, 10)
    assert redis.zcard("retry") == 1, "only that of the time in between"
    assert worker.stop() == 0


def _connection(server: Postgres) -> psycopg.Connection[Any]:
    where = server.entry
    return psycopg.connect(host=where["HOST"], port=where["PORT"], user=where["USER"], dbname=where["NAME"])
