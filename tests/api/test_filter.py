"""Filters: what they let through is what a look at each decoded entry would, however the payload was encoded."""

import json
import re
from typing import Any

import pytest
import redis as redis_py
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.kit import failed, fill, payload
from fastkiq import api
from fastkiq.job import Job


def ruby(value: Any) -> bytes:
    """Compact, and raw UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def python(value: Any) -> bytes:
    """ASCII, with spaces."""
    return json.dumps(value).encode()


def php(value: Any) -> bytes:
    """ASCII, with its slashes escaped, and numbers with an exponent in another way."""
    text = json.dumps(value, separators=(",", ":")).replace("/", "\\/")
    return re.sub(r"(?<=[,:\[])(-?\d)e\+(\d+)", r"\1.0e+\2", text).encode()


def shouted(value: Any) -> bytes:
    """Numbers with an exponent as few write them, and line ends for spaces."""
    return re.sub(r"(?<=[ \[])(-?\d+)\.0(?=[,\]}])", r"\1E0", json.dumps(value)).replace(", ", ",\n\t").encode()


ENCODERS = st.sampled_from([ruby, python, php, shouted])
# Few letters, so that parts of one text are found in another.
TEXTS = st.text(st.sampled_from("aB1e.,: #/\"'\\\n-+<é\u2028"), max_size=6)
NUMBERS = st.one_of(st.integers(-99, 2_000), st.floats(allow_nan=False), st.sampled_from([1e20, 1e-7, 12.0, 1e16, 1.5]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS.filter(lambda n: n == n and abs(n) != float("inf")), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=5,
)
WRAPPER = "Sidekiq::ActiveJob::Wrapper"
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "class": TEXTS,
        "queue": TEXTS,
        "jid": TEXTS,
        "error_class": TEXTS,
        "error_message": TEXTS,
        "args": st.lists(VALUES, max_size=3),
        "tags": st.lists(TEXTS, max_size=2),
    },
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, api.Filter]:
    """A stored payload, and a filter made of parts of what is shown of it."""
    stored = draw(PAYLOADS)
    if draw(st.booleans()):
        stored = {**stored, "class": WRAPPER, "wrapped": draw(TEXTS), "args": [{"arguments": stored.get("args", [])}]}
    raw = draw(ENCODERS)(stored)
    job = Job.from_bytes(raw)

    def part(text: str) -> str:
        start = draw(st.integers(0, len(text)))
        return text[start : draw(st.integers(start, len(text)))]

    whole = {"queue": job.queue, "jid": job.jid, "tag": job.tags[0] if job.tags else "", "group": api.signature(job)}
    parts = {
        "class_name": job.class_name,
        "error": api.error_text(job),
        "argument": api.argument_text(job.args),
        "text": raw.decode("utf-8", "replace").replace("\ufffd", ""),
    }
    names = draw(st.sets(st.sampled_from([*whole, *parts]), min_size=1))
    return raw, api.Filter(**{name: whole[name] if name in whole else part(parts[name]) for name in names})


def passes(wanted: api.Filter, raw: bytes) -> bool:
    return all(needle in raw for needle in wanted.needles()) and wanted.glance(raw)


@settings(max_examples=500, deadline=None)
@given(cases())
@example((b'{"args":[1.5e1]}', api.Filter(argument="15")))
@example((b'{"args":[1e2,2]}', api.Filter(argument="100")))
@example((b'{"args":[1, 2]}', api.Filter(argument="1,2")))
@example((b'{"args":[1e999]}', api.Filter(argument="finity")))
@example((b'{"args":["a\\/b"]}', api.Filter(argument="a/b")))
@example((b'{"error_class":"My::Error","error_message":"boom"}', api.Filter(error="Error: b")))
@example((b'{"error_class":"E","error_message":"a 12 b"}', api.Filter(group="E: a # b")))
def test_a_first_look_hides_nothing_that_is_wanted(case: tuple[bytes, api.Filter]) -> None:
    raw, wanted = case
    if wanted.matches(Job.from_bytes(raw)):
        assert passes(wanted, raw)


def test_a_first_look_keeps_most_of_the_others_out() -> None:
    raw = failed(1)
    for wanted in (
        *(api.Filter(class_name="Easy"), api.Filter(queue="mail"), api.Filter(error="Type"), api.Filter(error="X: y")),
        *(api.Filter(argument="47"), api.Filter(argument='"bob"'), api.Filter(tag="a"), api.Filter(jid="b")),
        *(api.Filter(group="Nobody: # of #"), api.Filter(text="\x00"), api.Filter(class_name="Hard", argument="bob")),
    ):
        assert not passes(wanted, raw)


@pytest.mark.both_servers
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.lists(cases(), min_size=1, max_size=25), limit=st.integers(1, 4))
def test_a_page_has_what_a_look_at_each_would_find(
    inspected: api.Redis, redis: redis_py.Redis, members: list[tuple[bytes, api.Filter]], limit: int
) -> None:
    redis.delete("retry", "queue:aB")
    fill(redis, "retry", {raw: index // 3 for index, (raw, _) in enumerate(members)})
    redis.lpush("queue:aB", *(raw for raw, _ in members))
    jobs, queue = api.RetrySet(inspected), api.Queue("aB", inspected)
    for _, wanted in members[:4]:
        expected = [entry.job.raw for entry in jobs if not wanted or wanted.matches(entry.job)]
        found: list[bytes] = []
        cursor: str | None = None
        while True:
            page = jobs.page(cursor, limit, wanted, seconds=5)
            found += [entry.job.raw for entry in page.items]
            if (cursor := page.next) is None:
                break
        assert found == expected
        grouping = api.Grouping(jobs, wanted)
        grouping.advance(5)
        assert sum(group.count for group in grouping.groups) == len(expected)
        waiting = queue.page(limit=100, wanted=wanted, seconds=5)
        assert [job.raw for job in waiting.items] == [job.raw for job in queue if not wanted or wanted.matches(job)]


COMBINED = [
    ({"class_name": "Mail"}, {1, 2}),
    ({"class_name": "Mail", "queue": "low"}, {2}),
    ({"queue": "low"}, {2, 3}),
    ({"error": "Timeout: no answer"}, {1}),
    ({"error": "answer"}, {1, 2}),
    ({"argument": '"bob"'}, {1, 3}),
    ({"argument": '"bob",1'}, {1}),
    ({"tag": "é"}, {3}),
    ({"tag": "a"}, set()),
    ({"jid": f"{2:024x}"}, {2}),
    ({"text": '"tags":["é"'}, {3}),
    ({"group": "Timeout: no answer from #.#.#.#"}, {1}),
    ({"group": "Timeout"}, set()),
    ({"class_name": "Mail", "error": "answer", "argument": "bob", "text": "Mail"}, {1}),
    ({"class_name": "mail"}, set()),
    ({}, {1, 2, 3}),
]


@pytest.mark.both_servers
@pytest.mark.parametrize(("conditions", "expected"), COMBINED, ids=str)
def test_filters_alone_and_combined(
    conditions: dict[str, str], expected: set[int], inspected: api.Redis, redis: redis_py.Redis
) -> None:
    one = {"class": "Mail::Sender", "error_class": "Timeout", "error_message": "no answer from 10.0.0.1"}
    two = {"class": "Mail::Sender", "error_class": "Refused", "error_message": "the answer", "queue": "low"}
    three = {"class": "Clean", "queue": "low", "tags": ["é", "ab"], "args": ["bob"]}
    members = {failed(1, **{**one, "args": ["bob", 1]}): 1, failed(2, **two): 2, payload(3, **three): 3}
    fill(redis, "dead", members)
    found = {int(entry.job.jid, 16) for entry in api.DeadSet(inspected).scan(api.Filter(**conditions))}
    assert found == expected


def test_signatures() -> None:
    def signature(kind: Any, message: Any) -> str:
        return api.signature(Job.from_bytes(json.dumps({"error_class": kind, "error_message": message}).encode()))

    assert (
        signature("E", "took 12 ms at 0xdeadBEEF for 1f0c9a3e-0b1c-4a5d-8e9f-0a1b2c3d4e5f") == "E: took # ms at # for #"
    )
    assert signature("E", "first line\nsecond") == "E: first line"
    assert signature("E", None) == signature("E", "") == "E"
    assert signature(None, "boom") == "boom"
    assert signature(None, None) == signature([], {}) == ""
    assert len(signature("E" * 5_000, "x" * 5_000)) == 402
