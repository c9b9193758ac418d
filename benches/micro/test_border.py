"""A job at the border, on one thread: taken, its arguments decoded, run, marked done, against a real server.

Claims and acks go on beside it in Rust threads, as in a worker process; the floor has nothing to ack.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from floors import Line, drain
from pytest_benchmark.fixture import BenchmarkFixture
from samples import QUEUE, Nothing

from fastkiq import _core, registry
from fastkiq.config import Config
from fastkiq.middleware import Chain
from fastkiq.policy import RetryPolicy
from fastkiq.processor import Processor
from servers import Server

JOBS = 5_000
ROUNDS = 5


@pytest.fixture
def core(server: Server) -> Iterator[_core.Server]:
    running = _core.Server(server.url, registry.table(), {"queues": [(QUEUE, 0)], "concurrency": 1})
    running.start()
    yield running
    running.quiet()
    running.stop()


def take(take_next: Callable[[], _core.Unit | None], perform: Callable[..., Any], jobs: int) -> None:
    """The border and nothing else."""
    for _ in range(jobs):
        unit = take_next()
        assert unit is not None
        perform(*unit.args)
        unit.done()


def process(take_next: Callable[[], _core.Unit | None], perform: Callable[[_core.Unit], bool], jobs: int) -> None:
    """The way of a worker thread: instance, context, perform."""
    for _ in range(jobs):
        unit = take_next()
        assert unit is not None
        perform(unit)


@pytest.mark.benchmark(group="5,000 jobs on one thread")
def test_floor_pop(benchmark: BenchmarkFixture, line: Line, fill: Callable[..., None]) -> None:
    work = Nothing().perform
    benchmark.pedantic(drain, (line, QUEUE, JOBS, work), setup=lambda: fill(JOBS, counted=False), rounds=ROUNDS)


@pytest.mark.benchmark(group="5,000 jobs on one thread")
def test_next_args_done(benchmark: BenchmarkFixture, core: _core.Server, fill: Callable[..., None]) -> None:
    take_next, work = core.processor("bench").next, Nothing().perform
    benchmark.pedantic(take, (take_next, work, JOBS), setup=lambda: fill(JOBS), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.benchmark(group="5,000 jobs on one thread")
def test_processor(benchmark: BenchmarkFixture, core: _core.Server, fill: Callable[..., None]) -> None:
    thread = Processor(core, "bench", RetryPolicy(Config()), Chain(), verbose=False)
    take_next, work = core.processor("bench").next, thread._perform
    benchmark.pedantic(process, (take_next, work, JOBS), setup=lambda: fill(JOBS), rounds=ROUNDS, warmup_rounds=1)
