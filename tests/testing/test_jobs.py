"""What the jobs of a test look like, and what a push refuses as it would in production."""

import datetime as dates
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import fastkiq
from fastkiq import Config, Job, testing
from fastkiq.testing import ANY, Jobs, subset
from testing_workers import Mail, fetch, note


def test_jobs_are_records_in_the_order_of_the_pushes(jobs: Jobs) -> None:
    first = Mail.perform_async("ann", {"id": 1})
    later = Mail.set(queue="slow", tags=["a"]).perform_in(60, "bob")
    bulk = note.perform_bulk([(1,), (2,)])
    named = fastkiq.Client().push("Ruby::Job", 1, queue="ruby")
    assert [job.jid for job in jobs] == [first, later, *bulk, named]
    assert isinstance(jobs[0], Job)
    assert (jobs[0].class_name, jobs[0].queue, jobs[0].args) == ("testing.Mail", "mail", ["ann", {"id": 1}])
    assert [job.jid for job in jobs[-2:]] == [bulk[1], named]
    assert len(jobs) == 5
    assert bool(jobs)
    assert [job.jid for job in jobs.scheduled] == [later]
    assert [job.jid for job in jobs.queued] == [first, *bulk, named]
    assert jobs.scheduled[0].tags == ["a"]
    assert jobs.scheduled[0].at is not None
    assert abs(jobs.scheduled[0].at - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=2)
    assert jobs.scheduled[0].enqueued_at is None
    assert jobs[0].enqueued_at is not None
    assert "at" not in jobs[1].payload
    assert repr(jobs) == "<Jobs: testing.Mail (2), testing.note (2), Ruby::Job (1)>"
    jobs.clear()
    assert not jobs
    assert repr(jobs) == "<Jobs: none>"


def test_select_by_class_arguments_queue_time_and_tags(jobs: Jobs) -> None:
    Mail.perform_async("ann", {"id": 1, "name": "x"}, 3)
    Mail.perform_in(60, "bob")
    fetch.set(tags=["a", "b"]).perform_async("https://example.org")

    def found(*args: Any, **words: Any) -> list[Any]:
        return [job.args[0] for job in jobs.select(*args, **words)]

    assert found() == ["ann", "bob", "https://example.org"]
    for worker in (Mail, "testing.Mail", "Old::Mail", Mail.set(queue="other")):
        assert found(worker) == ["ann", "bob"], worker
    for function in (fetch, "testing.fetch"):
        assert found(function) == ["https://example.org"], function
    assert found(args=["bob"]) == found(args=("bob",)) == ["bob"]
    assert found(args=["ann", ...]) == found(args=[str, subset(id=1), ANY]) == ["ann"]
    assert found(args=["ann", {"id": 1}, 3]) == []
    assert found(args=[lambda to: to.startswith("b"), ...]) == ["bob"]
    assert found(args=lambda args: len(args) == 3) == ["ann"]
    assert found(kwargs={"count": 1}) == ["bob"]
    assert found(kwargs={"data": subset({"name": str})}) == ["ann"]
    assert found(queue="web") == ["https://example.org"]
    assert found(at=timedelta(minutes=1)) == found(at=jobs.scheduled[0].at) == ["bob"]
    assert found(at=lambda at: at is not None and at > datetime.now(UTC)) == ["bob"]
    assert found(Mail, at=None) == ["ann"]
    assert found(tags=["b"]) == found(tags="a") == ["https://example.org"]
    assert found(tags=["b", "c"]) == []


def test_the_class_name_alone_is_enough_where_only_one_has_it(jobs: Jobs) -> None:
    class SoleOfItsName(fastkiq.Worker, name="testing.sole"):
        def perform(self) -> None: ...

    SoleOfItsName.perform_async()
    fastkiq.Client().push("SoleOfItsName")
    assert len(jobs.select("SoleOfItsName")) == len(jobs.select(SoleOfItsName)) == 2
    assert jobs.drain_all() == 2, "as a worker process would find it"


def test_json_tells_true_from_one(jobs: Jobs) -> None:
    note.perform_async(1)
    assert jobs.select(note, args=[1.0])
    assert not jobs.select(note, args=[True])
    assert not jobs.select(note, args=["1"])


def test_words_that_make_no_sense(jobs: Jobs) -> None:
    with pytest.raises(fastkiq.ArgumentError, match="a Worker, a job function or a name"):
        jobs.select(int)  # type: ignore[arg-type]
    with pytest.raises(fastkiq.ArgumentError, match="args is a list or tuple"):
        jobs.select(Mail, args="ann")
    with pytest.raises(fastkiq.ArgumentError, match="no time zone"):
        jobs.select(Mail, at=datetime(2030, 1, 1))  # noqa: DTZ001 - a mistake on purpose
    with pytest.raises(
        fastkiq.ArgumentError, match=r"^arguments: jobs are looked for by args, kwargs, queue, at, tags$"
    ):
        jobs.select(Mail, arguments=[])  # type: ignore[call-arg]


def test_a_push_refuses_what_production_refuses(jobs: Jobs, config: Config) -> None:
    with pytest.raises(fastkiq.ArgumentError, match=r"Mail\.perform\(to\): args\[0\]: object"):
        Mail.perform_async(object())  # type: ignore[arg-type]
    with pytest.raises(fastkiq.ArgumentError, match=r"date; pass \.isoformat"):
        note.perform_async(dates.date(2030, 1, 1))
    with pytest.raises(fastkiq.ArgumentError, match="missing a required argument"):
        Mail.perform_async()  # type: ignore[call-arg]
    with pytest.raises(fastkiq.ArgumentError, match="max_payload_bytes"):
        Mail.perform_async("x" * 9_000_000)
    assert len(jobs) == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("class", None, r'payload\["class"\]'),
        ("retry", "gone", r'payload\["retry"\]: missing'),
        ("tags", "a", "Web UI cannot show"),
        ("at", "soon", r'payload\["at"\]'),
    ],
)
def test_what_client_middleware_spoils_is_refused(
    jobs: Jobs, config: Config, key: str, value: Any, message: str
) -> None:
    def spoil(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        payload[key] = value
        if value == "gone":
            del payload[key]
        yield

    config.client_middleware.add(spoil)
    with pytest.raises(fastkiq.ArgumentError, match=message):
        Mail.perform_async("ann")
    assert len(jobs) == 0


def test_client_middleware_runs_at_the_push_and_may_stop_it(jobs: Jobs, config: Config) -> None:
    def tenant(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        if payload["args"] == ["stop"]:
            return
        payload["tenant"] = 7
        yield

    config.client_middleware.add(tenant)
    assert Mail.perform_async("stop") is None
    assert Mail.perform_async("go") == jobs[0].jid
    assert list(Mail.perform_bulk([("stop",), ("go",), ("stop",)])) == [jobs[1].jid]
    assert [job.payload["tenant"] for job in jobs] == [7, 7]


def test_what_was_passed_may_change_after_the_push(jobs: Jobs) -> None:
    data = {"id": 1}
    Mail.perform_async("ann", data)
    data["id"] = 2
    assert jobs[0].args == ["ann", {"id": 1}]
    jobs[0].args.append("more")
    with pytest.raises(Exception, match="cannot assign"):
        setattr(jobs[0], "queue", "x")  # noqa: B010 - mypy knows that it is frozen


def test_generators_may_enqueue_while_they_give_rows(jobs: Jobs) -> None:
    def rows() -> Iterator[tuple[str]]:
        for number in range(3):
            note.perform_async(number)
            yield (f"row {number}",)

    assert len(Mail.perform_bulk(rows())) == 3
    assert len(jobs.select(note)) == 3
    assert [job.args for job in jobs.select(Mail)] == [["row 0"], ["row 1"], ["row 2"]]


def test_a_refused_row_leaves_the_batches_before_it(jobs: Jobs) -> None:
    def rows() -> Iterator[tuple[Any]]:
        for number in range(2_500):
            yield (number,)
        yield (object(),)

    with pytest.raises(fastkiq.ArgumentError, match="object"):
        note.perform_bulk(rows())
    assert len(jobs) == 2_000


def test_a_hundred_thousand_jobs_in_bulk(jobs: Jobs) -> None:
    assert len(note.perform_bulk((number,) for number in range(100_000))) == 100_000
    assert len(jobs) == 100_000
    with pytest.raises(AssertionError, match="and 99,995 more"):
        jobs.assert_enqueued(note, args=[-1])
    jobs.drain_one()
    assert len(jobs) == 99_999


def test_times_in_the_past_mean_now(jobs: Jobs) -> None:
    Mail.perform_in(-5, "a")
    Mail.perform_at(datetime(2001, 1, 1, tzinfo=UTC), "b")
    Mail.perform_at(0, "c")
    assert len(jobs.queued) == 3
    note.perform_bulk([(1,), (2,)], at=[0, datetime.now(UTC) + timedelta(hours=1)])
    assert [job.args for job in jobs.scheduled] == [[2]]


def test_no_client_is_opened_for_a_kept_job(config: Config) -> None:
    """`redis_url="embedded"` must not start a server in a test without Redis."""
    config.redis_url = "embedded"
    with testing.fake() as jobs:
        Mail.perform_async("ann")
        Mail.perform_bulk([("bob",)])
        assert fastkiq.client.default()._core is None
    assert len(jobs) == 2
