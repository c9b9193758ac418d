"""`fake()` and a drain against a real worker with one thread: the same runs, in the same order, with the same ends."""

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastkiq
from fastkiq import testing
from fastkiq.testing import RealWorker

runs: list[Any] = []


class Step(fastkiq.Worker, name="testing.Step", retry=False):
    """Notes its value, enqueues the steps below it, and ends as it is told."""

    def perform(self, value: Any, below: list[Any], end: str = "well", number: float = 0.5) -> None:
        runs.append((value, end, number, self.job.attempt, self.job.queue, self.job.tags, sorted(self.job.payload)))
        if len(below) > 1 and end == "bulk":
            Step.perform_bulk(below)
        else:
            for step in below:
                Step.set(tags=[end]).perform_async(*step)
        match end:
            case "fails":
                raise ValueError(value)
            case "killed":
                raise fastkiq.Kill
            case "discarded":
                raise fastkiq.Discard


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.text(
    string.printable, max_size=8
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
ends = st.sampled_from(["well", "fails", "killed", "discarded", "bulk"])
steps = st.recursive(
    st.tuples(values, st.just([])).map(list),
    lambda below: st.one_of(
        st.tuples(values, st.lists(below, max_size=3)),
        st.tuples(values, st.lists(below, max_size=3), ends),
        st.tuples(values, st.lists(below, max_size=3), ends, st.floats(0, 1)),
    ).map(list),
    max_leaves=10,
)


@pytest.fixture
def one_thread(fastkiq_worker: RealWorker) -> RealWorker:
    """With basic fetch, which takes one job at a time: with reliable fetch a claim may bring the next job while the
    waiter still holds the one before it."""
    fastkiq_worker.start(concurrency=1, fetch="basic")
    return fastkiq_worker


def ended() -> tuple[list[Any], int]:
    """The runs so far, which it forgets, and the jobs in the dead set."""
    seen = list(runs)
    runs.clear()
    core = fastkiq.client.default().core
    return seen, int(core.command("ZCARD", "dead"))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(step=steps)
def test_the_same_runs_as_on_redis(one_thread: RealWorker, step: list[Any]) -> None:
    runs.clear()
    with testing.fake() as jobs:
        Step.perform_async(*step)
        jobs.drain_all(retries=True)
        faked, _ = ended()
    _, before = ended()
    Step.perform_async(*step)
    one_thread.drain(raises=False)
    real, after = ended()
    assert faked == real
    assert len(jobs.dead) == after - before
    assert len(jobs.done) == sum(end in ("well", "bulk") for _, end, *_ in real)
    assert len(jobs) == 0
