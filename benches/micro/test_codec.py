"""JSON through the border, beside orjson, which knows nothing of Ruby's byte form or of what a job may carry."""

from typing import Any

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from samples import ARGS, DOCUMENT, FAILURE, PAYLOAD

from fastkiq import _core

BOTH = pytest.mark.parametrize("value", [ARGS, DOCUMENT], ids=["args", "document"])


@pytest.mark.benchmark(group="encode")
@BOTH
def test_floor_orjson_dumps(benchmark: BenchmarkFixture, value: Any) -> None:
    benchmark(orjson.dumps, value)


@pytest.mark.benchmark(group="encode")
@BOTH
def test_encode(benchmark: BenchmarkFixture, value: Any) -> None:
    assert orjson.loads(benchmark(_core.encode, value)) == value


@pytest.mark.benchmark(group="decode")
@BOTH
def test_floor_orjson_loads(benchmark: BenchmarkFixture, value: Any) -> None:
    benchmark(orjson.loads, orjson.dumps(value))


@pytest.mark.benchmark(group="decode")
@BOTH
def test_decode(benchmark: BenchmarkFixture, value: Any) -> None:
    assert benchmark(_core.decode, orjson.dumps(value)) == value


def decode_and_encode(payload: bytes, fields: dict[str, Any]) -> bytes:
    """What a splice replaces; it would not leave the other bytes as they are."""
    job = orjson.loads(payload)
    job.update(fields)
    return orjson.dumps(job)


@pytest.mark.benchmark(group="splice")
def test_floor_decode_and_encode(benchmark: BenchmarkFixture) -> None:
    benchmark(decode_and_encode, PAYLOAD, FAILURE)


@pytest.mark.benchmark(group="splice")
def test_splice(benchmark: BenchmarkFixture) -> None:
    assert b'"retry_count":0' in benchmark(_core.splice, PAYLOAD, FAILURE)
