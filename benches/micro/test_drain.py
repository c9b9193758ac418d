"""A queue drained by the workers of `run_in_process`, from the moment it is there to the end of the last job."""

from collections.abc import Callable
from itertools import count
from threading import Event

import pytest
from floors import Line, drain
from pytest_benchmark.fixture import BenchmarkFixture
from samples import QUEUE, Nothing

import fastkiq

JOBS = 20_000
ROUNDS = 3


@pytest.mark.benchmark(group="drain 20,000 jobs")
def test_floor_drain(benchmark: BenchmarkFixture, line: Line, fill: Callable[..., None]) -> None:
    work = Nothing().perform
    benchmark.pedantic(drain, (line, QUEUE, JOBS, work), setup=lambda: fill(JOBS, counted=False), rounds=ROUNDS)


@pytest.mark.benchmark(group="drain 20,000 jobs")
@pytest.mark.parametrize("fetch", ["reliable", "basic"])
def test_drain(
    benchmark: BenchmarkFixture, fill: Callable[..., None], monkeypatch: pytest.MonkeyPatch, fetch: str
) -> None:
    ended, begun = Event(), count(1)

    def perform(self: Nothing, text: str, number: int, options: dict[str, str]) -> None:
        if not next(begun) % JOBS:
            ended.set()

    def refill() -> None:
        ended.clear()
        fill(JOBS)

    monkeypatch.setattr(Nothing, "perform", perform)
    with fastkiq.run_in_process(concurrency=10, queues=[QUEUE], fetch=fetch):
        benchmark.pedantic(ended.wait, setup=refill, rounds=ROUNDS, warmup_rounds=1)
