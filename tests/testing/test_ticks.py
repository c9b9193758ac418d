"""Recurring jobs in tests: the job of a tick, kept, run at once or run by a real worker; and all ticks of a span."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import fastkiq
from fastkiq import ArgumentError, Config, registry, testing
from fastkiq.testing import Jobs, RealWorker
from testing_workers import Mail, note, ran

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 6, tzinfo=BERLIN)


@pytest.fixture(autouse=True)
def declared(own_registry: None) -> None:
    """Workers that are gone after the test: no other one is to see their schedules."""

    class Report(
        fastkiq.Worker, name="ticks.Report", queue="low", retry=3, tags=["night"], cron="0 6 * * mon-fri",
        timezone="Europe/Berlin",
    ):  # fmt: skip
        def perform(self, day: int = 1) -> None:
            current = fastkiq.current_job()
            assert current is not None
            assert self.tick is not None
            assert current.tick == self.tick
            ran.append((self.tick - timedelta(days=day), self.job.class_name))

    @fastkiq.job(name="ticks.poll", every=timedelta(minutes=5))
    async def poll() -> None:
        await asyncio.sleep(0)
        current = fastkiq.current_job()
        assert current is not None
        ran.append(current.tick)


def load(config: Config, folder: Path, text: str) -> None:
    path = folder / "fastkiq.toml"
    path.write_text(text)
    config.load(path)


def test_a_tick_is_kept_as_a_process_would_have_made_it(jobs: Jobs, config: Config) -> None:
    def stop(_worker: Any, _payload: Any) -> Iterator[None]:
        yield from ()

    config.client_middleware.add(stop)
    assert note.perform_async(1) is None
    job = jobs.tick("ticks.Report", at=MONDAY)
    assert list(jobs) == jobs.queued == [job]
    assert (job.class_name, job.queue, job.args, job.tags) == ("ticks.Report", "low", [], ["night"])
    assert job.tick == MONDAY
    assert job.payload["cron"] == {"name": "ticks.Report", "tick": int(MONDAY.timestamp() * 1000)}
    assert job.payload["retry"] == 3
    assert len(job.jid) == 24
    assert job.enqueued_at is not None
    assert abs(job.enqueued_at - jobs.now) < timedelta(seconds=5), "in its queue now, whatever the tick is"
    jobs.assert_enqueued("ticks.Report", queue="low", at=None, count=1)
    assert jobs.drain_all() == 1
    assert ran == [(MONDAY - timedelta(days=1), "ticks.Report")]


def test_of_a_class_a_function_and_a_name(jobs: Jobs) -> None:
    entry = registry.find("ticks.Report")
    assert entry is not None
    poll = registry.find("ticks.poll")
    assert poll is not None
    made = [jobs.tick(each, at=MONDAY) for each in (entry.worker, "ticks.Report", poll.bound, "ticks.poll")]
    assert [job.class_name for job in made] == ["ticks.Report"] * 2 + ["ticks.poll"] * 2
    assert jobs.drain_all() == 4
    assert ran[2:] == [MONDAY, MONDAY]


def test_without_a_moment_it_is_now(jobs: Jobs) -> None:
    jobs.travel(timedelta(days=400))
    job = jobs.tick("ticks.Report")
    assert job.tick is not None
    assert abs(job.tick - jobs.now) < timedelta(seconds=5)
    assert abs(job.tick - datetime.now(UTC)) > timedelta(days=399)
    assert jobs.tick("ticks.Report", at=1_700_000_000).tick == datetime.fromtimestamp(1_700_000_000, UTC)


def test_the_tick_stays_through_retries(jobs: Jobs) -> None:
    seen: list[datetime | None] = []

    class Fails(fastkiq.Worker, name="ticks.Fails", every=60, retry=2):
        def perform(self) -> None:
            seen.append(self.tick)
            raise ValueError

    jobs.tick(Fails, at=MONDAY)
    jobs.drain_all(retries=True, until=timedelta(days=1))
    assert seen == [MONDAY] * 3
    assert jobs.dead[0].tick == MONDAY


def test_what_is_not_recurring_is_refused(jobs: Jobs) -> None:
    for worker in (Mail, note, "ticks.Nobody", "testing.Mail"):
        with pytest.raises(ArgumentError, match=r"is no recurring job: give its class cron=\.\.\. or every=\.\.\."):
            jobs.tick(worker, at=MONDAY)
        with pytest.raises(ArgumentError, match="is no recurring job"):
            jobs.ticks(worker, until=timedelta(days=1))
    with pytest.raises(ArgumentError, match="a Worker, a job function or a name is wanted"):
        jobs.tick(5, at=MONDAY)  # type: ignore[arg-type]
    jobs.assert_no_jobs()


def test_naive_moments_are_refused(jobs: Jobs) -> None:
    naive = datetime(2026, 3, 2, 6)  # noqa: DTZ001 - a mistake on purpose
    with pytest.raises(ArgumentError, match="has no time zone: pass an aware datetime"):
        jobs.tick("ticks.Report", at=naive)
    with pytest.raises(ArgumentError, match="has no time zone"):
        testing.tick("ticks.Report", at=naive)
    with pytest.raises(ArgumentError, match="has no time zone"):
        jobs.ticks("ticks.Report", until=naive)
    with pytest.raises(ArgumentError, match="epoch seconds"):
        jobs.tick("ticks.Report", at="2026-03-02T06:00:00Z")  # type: ignore[arg-type]
    jobs.assert_no_jobs()


def test_a_schedule_of_the_settings_lends_its_arguments(jobs: Jobs, config: Config, tmp_path: Path) -> None:
    load(
        config,
        tmp_path,
        """
        [schedule.ann]
        every = 60
        class = "testing.Mail"
        args = ["ann", {a = 1}]
        queue = "quick"
        [schedule.elsewhere]
        every = 60
        class = "Ruby::Job"
        """,
    )
    job = jobs.tick(Mail, at=MONDAY)
    assert (job.args, job.queue, job.payload["retry"]) == (["ann", {"a": 1}], "quick", 2)
    assert job.payload["cron"]["name"] == "ann"
    assert jobs.tick("ann").args == job.args
    assert jobs.drain_all() == 2
    assert ran[0] == ("mail", "ann", {"a": 1}, 1)
    assert jobs.tick("elsewhere").class_name == "Ruby::Job"


def test_one_of_several_schedules_is_asked_for_by_its_name(jobs: Jobs, config: Config, tmp_path: Path) -> None:
    entries = [f'[schedule.{name}]\nevery = 60\nclass = "testing.Mail"\nargs = ["{name}"]\n' for name in ("ann", "bob")]
    load(config, tmp_path, "".join(entries))
    with pytest.raises(ArgumentError, match="several schedules: say which one by its name, of 'ann', 'bob'"):
        jobs.tick(Mail)
    assert jobs.tick("bob").args == ["bob"]
    assert [job.args for job in jobs.ticks(until=timedelta(minutes=1, seconds=30)) if job.queue == "mail"] == [
        ["ann"],
        ["bob"],
    ]


def test_all_ticks_of_a_span(jobs: Jobs) -> None:
    """A week in which the clocks go back: the hour stays."""
    jobs.travel(to=datetime(2040, 10, 25, 12, tzinfo=UTC))
    made = jobs.ticks("ticks.Report", until=timedelta(days=7))
    assert jobs.scheduled == made
    local = [job.tick.astimezone(BERLIN) for job in made if job.tick is not None]
    assert [(tick.day, tick.hour) for tick in local] == [(26, 6), (29, 6), (30, 6), (31, 6), (1, 6)]
    assert [job.at for job in made] == local
    assert jobs.drain_all() == 0
    assert jobs.drain_all(until=timedelta(days=7)) == 5
    assert [at for at, _ in ran] == [tick - timedelta(days=1) for tick in local]
    for job in jobs.done:
        assert job.enqueued_at is not None
        assert job.tick is not None
        assert timedelta(0) <= job.enqueued_at - job.tick < timedelta(seconds=5)


def test_ticks_of_all_come_in_their_order(jobs: Jobs, config: Config, tmp_path: Path) -> None:
    load(
        config,
        tmp_path,
        """
        [schedule.off]
        every = 1
        class = "testing.Mail"
        args = ["ann"]
        enabled = false
        [schedule.first]
        every = 600
        first_in = 60
        class = "X"
        [schedule.between]
        interval = 400
        class = "X"
        [schedule.once]
        in = 500
        class = "X"
        [schedule.passed]
        at = 2001-01-01T00:00:00Z
        class = "X"
        """,
    )
    start = jobs.now
    made = jobs.ticks(until=timedelta(minutes=15, seconds=5))
    when = [
        (job.payload["cron"]["name"], round((job.tick - start) / timedelta(seconds=10))) for job in made if job.tick
    ]
    assert when == [
        ("first", 6), ("ticks.poll", 30), ("between", 40), ("once", 50), ("ticks.poll", 60), ("first", 66),
        ("between", 80), ("ticks.poll", 90),
    ]  # fmt: skip
    assert jobs.ticks("off", until=timedelta(days=1)) == []


def test_ticks_without_end_are_refused(jobs: Jobs) -> None:
    with pytest.raises(ArgumentError, match=r"more than 10,000 ticks up to then: say a nearer time"):
        jobs.ticks("ticks.poll", until=timedelta(days=400))
    for limit in (-2, sys.maxsize, "9"):
        with pytest.raises(ArgumentError, match=r"limit is a number from 0 to 1,000,000, not "):
            jobs.ticks("ticks.poll", until=timedelta(days=1), limit=limit)  # type: ignore[arg-type]
    jobs.assert_no_jobs()
    assert len(jobs.ticks("ticks.poll", until=timedelta(days=40), limit=20_000)) in (11_519, 11_520)


def test_an_async_job_and_the_loop_of_the_test(jobs: Jobs) -> None:
    async def test() -> None:
        jobs.tick("ticks.poll", at=MONDAY)
        assert await jobs.adrain_all() == 1

    asyncio.run(test())
    assert ran == [MONDAY]


def test_by_the_mode_that_holds(jobs: Jobs) -> None:
    job = testing.tick("ticks.Report", at=MONDAY)
    assert list(jobs) == [job]
    with testing.inline():
        job = testing.tick("ticks.Report", at=MONDAY)
        assert (job.tick, job.queue) == (MONDAY, "low")
        assert ran == [(MONDAY - timedelta(days=1), "ticks.Report")]
        testing.tick("ticks.poll", at=MONDAY)
        assert ran[1:] == [MONDAY]
    assert len(jobs) == 1
    with testing.disabled(), pytest.raises(fastkiq.RedisConnectionError):
        testing.tick("ticks.Report", at=MONDAY)


def test_what_a_tick_raises_comes_out_of_it_inline() -> None:
    @fastkiq.job(name="ticks.fails", every=60)
    def fails() -> None:
        raise ValueError("no figures")

    with testing.inline(), pytest.raises(ValueError, match="no figures") as caught:
        testing.tick(fails)
    assert caught.traceback[-1].name == "fails"


def test_on_a_real_server(fastkiq_worker: RealWorker) -> None:
    job = testing.tick("ticks.Report", at=MONDAY)
    [stored] = fastkiq.client.default().core.command("LRANGE", "queue:low", 0, -1)
    assert fastkiq.Job.from_bytes(stored).payload == job.payload | {
        "enqueued_at": fastkiq.Job.from_bytes(stored).payload["enqueued_at"]
    }
    assert stored.count(b"enqueued_at") == stored.count(b'"cron"') == 1
    assert fastkiq_worker.drain() == 1
    assert ran == [(MONDAY - timedelta(days=1), "ticks.Report")]
