"""Whatever lies in Redis: records, error backtraces, terms of a retry, and times."""

import base64
import json
import math
import re
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st

from fastkiq import backtrace, retry
from fastkiq.client import delay_of, epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.printable import printable, printable_lines, shown
from fuzz.kit import UNFIT, fuzz, numbers, payloads, scalars, stored, texts, values


@fuzz("job", stored, st.none() | st.floats() | st.just(1e300))
def test_a_record_of_any_bytes(raw: bytes, at: float | None) -> None:
    job = Job.from_bytes(raw, at=at)
    assert isinstance(job.payload, dict)
    assert isinstance(job.args, list)
    assert job.attempt >= 1
    assert all(isinstance(each, str) for each in (job.jid, job.class_name, job.queue, *job.tags, *job.error_backtrace))
    assert job.raw == raw
    for when in (job.created_at, job.enqueued_at, job.failed_at, job.retried_at, job.at):
        assert when is None or when.tzinfo is UTC
    assert not re.search(f"[{UNFIT}\n]", repr(job)), "a record is shown in logs"
    assert job.error_class is None or isinstance(job.error_class, str)
    assert job.error_message is None or isinstance(job.error_message, str)


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode("utf-8", "replace"))).decode()


def bent(triple: tuple[str, int, str]) -> str:
    text, at, other = triple
    at %= len(text) + 1
    return text[:at] + other + text[at + len(other) :]


compressed = values.map(packed)


@fuzz(
    "backtrace",
    values
    | compressed
    | st.tuples(compressed, st.integers(0, 500), st.text(max_size=5)).map(bent)
    | st.binary(max_size=80).map(zlib.compress).map(base64.b64encode).map(bytes.decode)
    | st.binary(max_size=80).map(base64.b64encode).map(bytes.decode),
)
def test_any_backtrace_is_read_or_said_to_be_unreadable(value: Any) -> None:
    found = backtrace.read(value)
    assert all(isinstance(line, str) for line in found.lines)
    assert found.flaw is None or isinstance(found.flaw, str)
    if value is None or value == []:
        assert found == backtrace.Stored([])
    elif not isinstance(value, (str, list)):
        assert found.flaw


@fuzz("backtrace-round-trip", st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=20))
def test_what_was_packed_is_read(lines: list[str]) -> None:
    assert backtrace.read(packed(lines)) == backtrace.Stored(lines)
    assert backtrace.read(lines) == backtrace.Stored(lines)


BOMBS = {
    "one line": lambda: b'["' + b"x" * 100_000_000 + b'"]',
    "lines": lambda: b'["' + b'a","' * 25_000_000 + b'"]',
    "lists": lambda: b"[" * 100_000_000,
    "zeroes": lambda: bytes(100_000_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_zip_bomb_takes_no_memory(bomb: str) -> None:
    text = base64.b64encode(zlib.compress(BOMBS[bomb]())).decode()
    assert len(text) < 2_000_000
    tracemalloc.start()
    found = backtrace.read(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.flaw
    assert most < 60_000_000, f"{most:,} bytes"
    assert len(found.lines) <= 10_000


def test_the_first_lines_of_a_long_backtrace_are_read() -> None:
    lines = [f"file.py:{number}:in function" for number in range(100_000)]
    found = backtrace.read(packed(lines))
    assert found.flaw == "it is too long: these are the first lines of it"
    assert found.lines == lines[: len(found.lines)]
    assert len(found.lines) == 10_000
    assert backtrace.read(packed(lines)[:100]) == backtrace.Stored([], "it is cut short")


@fuzz("terms", payloads, payloads, st.floats(0, 1e10))
def test_terms_of_any_payload(payload: dict[str, Any], options: dict[str, Any], now: float) -> None:
    terms = retry.terms(payload, options, now, 25, 0)
    assert terms.retries is None or 0 <= terms.retries <= 1_000_000
    assert 0 <= terms.backtrace <= 1_000
    assert terms.count >= 0
    assert math.isfinite(terms.first_failure)
    assert terms.exhausted(now) in (True, False)
    assert all(len(complaint) < 200 for complaint in terms.complaints)
    fields = retry.repairs(payload, "default")
    repaired = {key: value for key, value in {**payload, **fields}.items() if value is not None}
    again = retry.repairs(repaired, "default")
    assert again == {} or set(again) <= set(payload), "what is repaired is sound"


@fuzz("times", scalars | values | st.datetimes() | st.timedeltas() | st.datetimes(timezones=st.timezones()) | numbers)
def test_any_time(value: Any) -> None:
    found = retry.epoch_seconds(value)
    assert found is None or 0 <= found <= 1e11
    for read in (epoch_of, delay_of):
        try:
            seconds = read(value)
        except ArgumentError as error:
            assert len(str(error)) < 400  # noqa: PT017
        else:
            assert math.isfinite(seconds)
    try:
        delay = retry.asked_delay(value)
    except (TypeError, ValueError):
        return
    assert delay is None or 0 < delay <= 1e9


@pytest.mark.parametrize("value", [10**5000, -(10**5000)], ids=["large", "small"])
def test_a_number_too_long_to_be_printed_is_out_of_range(value: int) -> None:
    for read in (epoch_of, delay_of):
        with pytest.raises(ArgumentError, match="out of range"):
            read(value)


@pytest.mark.parametrize("hours", [-23, 23])
@pytest.mark.parametrize("day", [(1, 1, 1), (9999, 12, 31)])
def test_the_ends_of_the_calendar(day: tuple[int, int, int], hours: int) -> None:
    assert math.isfinite(epoch_of(datetime(*day, tzinfo=timezone(timedelta(hours=hours)))))


@fuzz("printable", texts | values)
def test_nothing_printable_steers_a_terminal(value: Any) -> None:
    assert not re.search(f"[{UNFIT}\n]", printable(value))
    assert len(printable(value, 20)) < 300
    assert not re.search(f"[{UNFIT}]", printable_lines(f"{value}"))
    assert len(shown(value)) <= 80
