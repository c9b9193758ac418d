"""Enqueueing, beside a bare socket that sends payloads which are there already. Each call is one round trip."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from floors import Line, lpush
from pytest_benchmark.fixture import BenchmarkFixture
from samples import ARGS, BULK, PAYLOAD, QUEUE, Nothing, template

from fastkiq import _core
from servers import Server

pytestmark = pytest.mark.usefixtures("one_core")

SINGLES = 200
BULKS = 5
"""Calls of one timed round."""
ROWS = [["string", number, {"mike": "bob"}] for number in range(BULK)]


@pytest.fixture
def client(server: Server) -> Iterator[_core.Client]:
    with closing(_core.Client(server.url)) as client:
        yield client


def repeatedly(benchmark: BenchmarkFixture, call: Callable[[], object], times: int, empty: Callable[[], None]) -> None:
    """Times rounds of `times` calls each, on a queue of the same length each round."""

    def round_of_calls() -> None:
        for _ in range(times):
            call()

    benchmark.pedantic(round_of_calls, setup=empty, rounds=20, warmup_rounds=1)


@pytest.mark.benchmark(group="200 single pushes")
def test_floor_lpush(benchmark: BenchmarkFixture, line: Line, empty_queue: Callable[[], None]) -> None:
    request = lpush(QUEUE, [PAYLOAD])
    repeatedly(benchmark, lambda: line.ask(request), SINGLES, empty_queue)


@pytest.mark.benchmark(group="200 single pushes")
def test_core_push(benchmark: BenchmarkFixture, client: _core.Client, empty_queue: Callable[[], None]) -> None:
    fixed = template()
    repeatedly(benchmark, lambda: client.push(fixed, ARGS), SINGLES, empty_queue)


@pytest.mark.benchmark(group="200 single pushes")
def test_perform_async(benchmark: BenchmarkFixture, empty_queue: Callable[[], None]) -> None:
    repeatedly(benchmark, lambda: Nothing.perform_async("string", 1234, {"mike": "bob"}), SINGLES, empty_queue)


@pytest.mark.benchmark(group="5 bulk pushes of 1,000")
def test_floor_lpush_1000(benchmark: BenchmarkFixture, line: Line, empty_queue: Callable[[], None]) -> None:
    request = lpush(QUEUE, [PAYLOAD] * BULK)
    repeatedly(benchmark, lambda: line.ask(request), BULKS, empty_queue)


@pytest.mark.benchmark(group="5 bulk pushes of 1,000")
def test_core_push_bulk(benchmark: BenchmarkFixture, client: _core.Client, empty_queue: Callable[[], None]) -> None:
    fixed = template()
    repeatedly(benchmark, lambda: client.push_bulk(fixed, ROWS), BULKS, empty_queue)


@pytest.mark.benchmark(group="5 bulk pushes of 1,000")
def test_perform_bulk(benchmark: BenchmarkFixture, empty_queue: Callable[[], None]) -> None:
    repeatedly(benchmark, lambda: Nothing.perform_bulk(ROWS), BULKS, empty_queue)
