"""Results of kept jobs: `fastkiq.result` answers in a test as it does on Redis."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastkiq
from fastkiq import testing
from fastkiq.results import store
from fastkiq.results.state import FIELDS, parse
from fastkiq.testing import Jobs


@fastkiq.job(name="testing.add", result_ttl=3600, retry=1)
def add(one: int, two: int) -> int:
    if two < 0:
        raise ValueError("negative")
    return one + two


@fastkiq.job(name="testing.aadd", result_ttl=60)
async def aadd(one: int, two: int) -> int:
    return one + two


def test_a_result_from_the_push_to_its_end(jobs: Jobs) -> None:
    jid = add.perform_async(1, 2)
    assert jid is not None
    result = fastkiq.result(jid)
    assert (result.status, result.attempts) == ("queued", 0)
    assert result.payload is not None
    assert result.payload["args"] == [1, 2]
    assert result.queued_at is not None
    with pytest.raises(fastkiq.ResultNotReady):
        _ = result.value
    jobs.drain_all()
    assert result.refresh().value == 3
    assert result.attempts == 1
    assert result.wait(timeout=1) == 3
    jobs.travel(timedelta(seconds=3599))
    assert result.refresh().status == "done"
    jobs.travel(2)
    assert result.refresh().status == "unknown"


def test_failures(jobs: Jobs) -> None:
    first, second = add.perform_bulk([(1, -1), (1, -2)])
    with pytest.raises(ValueError, match="negative"):
        jobs.drain_one()
    result = fastkiq.result(first)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.class_name, result.error.message) == ("ValueError", "negative")
    jobs.drain_all(retries=True)
    result = fastkiq.result(second)
    assert (result.status, result.attempts) == ("retrying", 1)
    jobs.drain_all(retries=True, until=timedelta(hours=1))
    assert (result.refresh().status, result.attempts) == ("failed", 2)
    with pytest.raises(fastkiq.JobFailed, match="negative"):
        result.wait(timeout=1)
    jobs.clear()
    assert result.refresh().status == "unknown"


def test_coroutines(jobs: Jobs) -> None:
    async def test() -> Any:
        jid = await aadd.aperform_async(1, 2)
        assert jid is not None
        assert await jobs.adrain_all() == 1
        return await fastkiq.result(jid)

    assert asyncio.run(test()) == 3


def test_inline_and_nesting() -> None:
    with testing.inline():
        jid = add.perform_async(2, 3)
        assert jid is not None
        assert fastkiq.result(jid).value == 5
        with testing.fake():
            assert fastkiq.result(jid).status == "unknown"
        with testing.disabled(), pytest.raises(fastkiq.RedisConnectionError):
            fastkiq.result(jid).refresh()
        assert add.perform_inline(3, 4) == 7
        with pytest.raises(ValueError, match="negative"):
            add.perform_async(1, -1)


def test_progress(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    @fastkiq.job(name="testing.counts", result_ttl=60)
    def counts() -> None:
        fastkiq.progress(1, 4, "begun")
        current = fastkiq.current_job()
        assert current is not None
        seen.append(fastkiq.result(current.jid).progress)

    @fastkiq.job(name="testing.acounts")
    async def acounts() -> None:
        fastkiq.progress(2, 2)

    counts.perform_async()
    jid = acounts.perform_async()
    assert jid is not None

    async def drain() -> None:
        await jobs.adrain_all()

    asyncio.run(drain())  # waits for the thread in which the coroutine's progress is written
    assert seen[0].fraction == 0.25
    progress = fastkiq.result(jid).progress
    assert progress is not None
    assert progress.fraction == 1
    assert not [record for record in caplog.records if "cannot tell" in record.message]


words = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("done"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("end"), st.sampled_from(["a", "b", ""])),
    st.tuples(st.just("progress"), st.sampled_from(["a", "b"])),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begun=st.booleans(), steps=st.lists(words, max_size=6))
def test_the_same_as_the_scripts_on_redis(fastkiq_redis: str, begun: bool, steps: list[tuple[str, str]]) -> None:
    """Whatever is written in whatever order."""
    written = {"start": "running", "done": "done", "end": "retrying", "progress": "running"}

    def play() -> tuple[list[int], Any]:
        client = fastkiq.client.default()
        answers = []
        for number, (step, run) in enumerate(steps):
            fields: dict[str, str | bytes | int] = {"status": written[step], "started_at": number}
            if step == "done":
                fields["value"] = b"[1]"
            if step == "progress":
                fields = {"progress": b"[1,2,null]"}
            answers.append(store.change(client, jid, step, run, 60.0, fields))
        state = parse(client.command("HMGET", store.key_of(jid), *FIELDS))
        return answers, (state.status, state.value, state.attempts, state.progress, state.payload is None)

    with testing.fake() as jobs:
        jid = add.perform_async(1, 1) or ""
        payload = jobs[0].payload
        if not begun:
            jobs._shelf.records.clear()
        faked = play()
    if begun:
        store.begin(fastkiq.client.default(), [payload])
    assert play() == faked
