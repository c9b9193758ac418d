"""Jobs that run at the push."""

import asyncio
from collections.abc import Iterator
from threading import get_ident
from typing import Any

import pytest

import fastkiq
from fastkiq import Config, testing
from testing_workers import Chain, Flaky, Mail, fetch, note, ran


@pytest.fixture(autouse=True)
def inline(config: Config) -> Iterator[None]:
    with testing.inline():
        yield


def test_a_push_runs_the_job_at_once() -> None:
    jid = Mail.perform_async("ann", {"id": 1})
    assert jid is not None
    assert len(jid) == 24
    assert ran == [("mail", "ann", {"id": 1}, 1)]


def test_scheduled_jobs_run_at_once_too() -> None:
    Mail.perform_in(3600, "ann")
    Mail.perform_at(4e9, "bob")
    note.perform_bulk([(1,), (2,)], at=4e9)
    assert ran == [("mail", "ann", None, 1), ("mail", "bob", None, 1), 1, 2]


def test_rows_of_a_bulk_run_as_they_come() -> None:
    def rows() -> Iterator[tuple[int]]:
        for number in range(3):
            assert ran == list(range(number))
            yield (number,)

    assert len(note.perform_bulk(rows())) == 3


def test_jobs_enqueued_by_jobs_run_inside_of_them() -> None:
    Chain.perform_async(2)
    assert ran == [("chain", 2), ("chain", 0), ("chain", 1), ("chain", 0)]


def test_errors_come_out_of_the_push_with_their_traceback() -> None:
    with pytest.raises(ValueError, match="attempt 1") as caught:
        Flaky.perform_async(1)
    assert caught.traceback[-1].name == "perform"
    with pytest.raises(fastkiq.Snooze):
        Flaky.perform_async(1, "snooze")
    with pytest.raises(KeyboardInterrupt):
        Flaky.perform_async(1, "interrupt")
    with pytest.raises(fastkiq.ArgumentError):
        note.perform_async(object())


def test_arguments_go_through_json_and_both_chains_run(config: Config) -> None:
    seen: list[str] = []

    def client(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        seen.append("client")
        payload["args"][0]["more"] = 1
        yield

    def server(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        seen.append("server")
        yield

    config.client_middleware.add(client)
    config.server_middleware.add(server)
    data: dict[str, Any] = {}
    note.perform_async(data)
    assert seen == ["client", "server"]
    assert ran == [{"more": 1}]
    assert ran[0] is not data


def test_asynchronous_jobs() -> None:
    fetch.perform_async("a")

    async def test() -> None:
        await fetch.aperform_async("b")
        await fetch.aperform_in(60, "c")
        with pytest.raises(fastkiq.FastkiqError, match="aperform_async"):
            fetch.perform_async("d")
        note.perform_async("e")

    asyncio.run(test())
    assert ran == [("fetch", "a"), ("fetch", "b"), ("fetch", "c"), "e"]


def test_the_job_runs_on_the_pushing_thread_and_restores_the_outer_job() -> None:
    @fastkiq.job(name="testing.inner")
    def inner() -> None:
        ran.append(get_ident())

    @fastkiq.job(name="testing.outer")
    def outer() -> None:
        inner.perform_async()
        current = fastkiq.current_job()
        assert current is not None
        assert current.class_name == "testing.outer"

    outer.perform_async()
    assert ran == [get_ident()]


def test_endless_recursion_is_pythons() -> None:
    @fastkiq.job(name="testing.again")
    def again() -> None:
        again.perform_async()

    with pytest.raises(RecursionError):
        again.perform_async()
