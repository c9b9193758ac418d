"""The record of a job: built from stored bytes of any kind, never failing on hostile ones."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastkiq import Job, _core

STORED = (
    b'{"retry":5,"queue":"critical","tags":["a"],"args":[1,{"b":[2.5]}],"class":"HardJob","jid":"639f82c6e8c70f9509bc0b7d",'
    b'"created_at":1795305947963,"enqueued_at":1795305947.5,"retry_count":1,"failed_at":1795305947963,"retried_at":0,'
    b'"error_class":"ValueError","error_message":"no"}'
)


def test_a_stored_job_is_read_whole() -> None:
    job = Job.from_bytes(STORED, at=1795305991.25, recovered=1)
    assert (job.jid, job.class_name, job.queue, job.args) == (
        "639f82c6e8c70f9509bc0b7d",
        "HardJob",
        "critical",
        [1, {"b": [2.5]}],
    )
    assert (job.attempt, job.retry_count, job.recovered) == (3, 1, 1)
    assert job.created_at == datetime(2026, 11, 22, 0, 5, 47, 963000, tzinfo=UTC)
    assert job.enqueued_at == datetime(2026, 11, 22, 0, 5, 47, 500000, tzinfo=UTC)  # Sidekiq 7: seconds
    assert job.retried_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert job.at == datetime(2026, 11, 22, 0, 6, 31, 250000, tzinfo=UTC)
    assert (job.tags, job.error_class, job.error_message) == (["a"], "ValueError", "no")
    assert job.raw == STORED
    assert job.payload["retry"] == 5


def test_the_queue_it_was_found_in_wins() -> None:
    assert Job.from_bytes(STORED, queue="low").queue == "low"


def test_it_is_frozen_and_its_repr_shows_no_arguments() -> None:
    job = Job.from_bytes(b'{"class":"A","args":["secret"]}')
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.jid = "x"  # type: ignore[misc]
    assert "secret" not in repr(job)
    assert (job.attempt, job.retry_count, job.at) == (1, None, None)


@pytest.mark.parametrize("raw", [b"", b"not json", b"[1]", b"null", b"\xff\xfe", b'{"class":', b"{}"])
def test_what_is_no_job_has_nothing_in_it(raw: bytes) -> None:
    job = Job.from_bytes(raw, queue="q")
    assert (job.jid, job.class_name, job.queue, job.args, job.payload, job.raw) == ("", "", "q", [], {}, raw)


FIELDS = [
    "jid",
    "class",
    "queue",
    "args",
    "retry_count",
    "created_at",
    "enqueued_at",
    "failed_at",
    "retried_at",
    "tags",
    "error_class",
    "error_message",
]
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other processes may take the machine
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES)))
def test_no_payload_makes_it_fail(payload: dict[str, Any]) -> None:
    job = Job.of_payload(payload, b"")
    assert isinstance(job.jid, str)
    assert isinstance(job.args, list)
    assert job.attempt >= 1
    assert all(isinstance(tag, str) for tag in job.tags)
    assert {type(each) for each in (job.created_at, job.failed_at)} <= {datetime, type(None)}


def test_what_the_core_encodes_comes_back() -> None:
    payload = {"class": "A", "args": ["é", None, 1.5], "jid": "x", "queue": "q"}
    assert Job.from_bytes(_core.encode(payload)).payload == payload
