"""Active Job's serialised arguments: what `perform` gets of them, what is refused by its path, and what is shown."""

import json
import string
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastkiq
from fastkiq import ArgumentError, Job
from fastkiq.active_job import WRAPPERS, arguments, repair, shown


class Letter(fastkiq.Worker):
    def perform(self, to: Any, count: int = 1, subject: Any = None, *rest: Any) -> None: ...


def data(*stored: Any) -> list[Any]:
    """The arguments of the wrapper, as Rails 7.2 and 8 write them."""
    return [
        {
            "job_class": "LetterJob",
            "job_id": "0be13809-4cd3-41b1-9780-1c653f34db13",
            "provider_job_id": None,
            "queue_name": "default",
            "priority": None,
            "arguments": list(stored),
            "executions": 0,
            "exception_executions": {},
            "locale": "en",
            "timezone": "Europe/Berlin",
            "enqueued_at": "2026-11-27T00:21:45.157445810Z",
            "scheduled_at": None,
        }
    ]


def of_rails(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"_aj_serialized": f"ActiveJob::Serializers::{kind}Serializer", "value": value, **more}


def read(*stored: Any, worker: type[fastkiq.Worker] = Letter) -> list[Any]:
    return list(arguments(worker.__fastkiq__, data(*stored)))


def keywords(**given: Any) -> dict[str, Any]:
    return {**given, "_aj_ruby2_keywords": list(given)}


def test_plain_types_are_as_they_were() -> None:
    plain = [None, True, 0, 10**40, 2.5, "é\u2028", [], {}, [[{"a": [1]}]], {"b": {"c": None}}]
    assert read(*plain) == plain


def test_hashes_lose_their_markers_at_any_depth() -> None:
    symbols = {"a": 1, "b": {"c": [{"d": 2, "_aj_symbol_keys": ["d"]}], "_aj_symbol_keys": ["c"]}}
    indifferent = {"x": {"y": 1, "_aj_hash_with_indifferent_access": True}, "_aj_hash_with_indifferent_access": True}
    assert read({**symbols, "_aj_symbol_keys": ["a"]}, indifferent, [keywords(z=1)], 0) == [
        {"a": 1, "b": {"c": [{"d": 2}]}},
        {"x": {"y": 1}},
        [{"z": 1}],
        0,
    ]


MOMENT = "2026-11-27T01:21:45.142337666+01:00"
OBJECTS = [
    (of_rails("Symbol", "sym"), "sym", "sym"),
    (of_rails("Date", "2026-11-27"), date(2026, 11, 27), "2026-11-27"),
    (of_rails("Time", "2026-11-27T00:21:45Z"), datetime(2026, 11, 27, 0, 21, 45, tzinfo=UTC), "2026-11-27T00:21:45Z"),
    (
        of_rails("TimeWithZone", MOMENT, time_zone="Europe/Berlin"),
        datetime(2026, 11, 27, 1, 21, 45, 142337, timezone(timedelta(hours=1))),
        MOMENT,
    ),
    (of_rails("DateTime", MOMENT), datetime(2026, 11, 27, 0, 21, 45, 142337, UTC), MOMENT),
    (of_rails("BigDecimal", "0.15e1"), Decimal("1.5"), "0.15e1"),
    (of_rails("Duration", 90, parts=[[of_rails("Symbol", "seconds"), 90]]), timedelta(seconds=90), 90),
    (of_rails("Duration", 2629746, parts=[]), timedelta(seconds=2629746), 2629746),
    (of_rails("Duration", 0.5), timedelta(milliseconds=500), 0.5),
]


@pytest.mark.parametrize(("stored", "value", "text"), OBJECTS)
def test_objects_that_have_a_counterpart(stored: Any, value: Any, text: Any) -> None:
    (got, (inner,)) = read(stored, [stored])
    assert (got, inner) == (value, value)
    assert type(got) is type(value)
    if isinstance(value, datetime):
        assert got.tzinfo is not None
    assert shown(data(stored)) == [text]


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"_aj_globalid": "gid://app/User/7"}, "is a GlobalID, 'gid://app/User/7'"),
        (of_rails("Module", "Kernel"), "'ActiveJob::Serializers::ModuleSerializer', which has no counterpart"),
        (of_rails("Range", None, begin=1, end=2, exclude_end=False), "RangeSerializer', which has no"),
        ({"_aj_serialized": "MoneySerializer", "amount": 5}, "'MoneySerializer', which has no counterpart"),
        ({"_aj_serialized": "Symbol", "value": "x"}, "an object of 'Symbol'"),
        ({"_aj_serialized": None}, "an object of None"),
        ({"_aj_serialized": ["ActiveJob::Serializers::DateSerializer"]}, "an object of ['Act"),
        (of_rails("Date", "2026-13-01"), "is a Date that cannot be read: '2026-13-01'"),
        (of_rails("Date", 5), "is a Date that cannot be read: 5"),
        (of_rails("Date", "10000-01-01"), "is a Date that"),
        (of_rails("Time", "2026-11-27T00:00:00"), "is a Time that"),  # whose?
        (of_rails("Symbol", None), "is a Symbol that"),
        (of_rails("BigDecimal", 1.5), "is a BigDecimal that"),
        (of_rails("BigDecimal", "x"), "is a BigDecimal that"),
        (of_rails("Duration", True), "is a Duration that"),
        (of_rails("Duration", 10**30), "is a Duration that"),
    ],
)
def test_what_has_none_is_named_by_its_path(stored: Any, said: str) -> None:
    for args, path in (
        ([stored], "arguments[0]"),
        ([1, {"when": [2, stored]}], "arguments[1]['when'][1]"),
        ([1, keywords(to=stored)], "arguments[1]['to']"),
    ):
        with pytest.raises(ArgumentError) as caught:
            read(*args)
        assert str(caught.value).startswith(f"{path} is ")
        assert said in str(caught.value)
        shown(data(*args))


def test_keywords_of_ruby_are_those_of_perform() -> None:
    assert read("bob", keywords(count=5)) == ["bob", 5]
    assert read(keywords(subject="s", to="bob")) == ["bob", 1, "s"], "a gap takes its default"
    assert read(keywords(to=of_rails("Symbol", "bob"))) == ["bob"]
    assert read("bob", keywords()) == ["bob"], "an empty one is none"
    assert read() == [], "and what is missing is for perform to say"


def test_without_such_parameters_keywords_are_one_dict() -> None:
    """As `def perform(options)` of a Ruby class gets them."""
    assert read(keywords(force=True, to_be=1)) == [{"force": True, "to_be": 1}]
    assert read(1, keywords(rest=2)) == [1, {"rest": 2}], "*rest is nobody's keyword"


def test_a_hash_in_braces_is_no_keywords() -> None:
    assert read({"to": 1, "_aj_symbol_keys": ["to"]}) == [{"to": 1}]
    assert read(keywords(to=1), "more") == [{"to": 1}, "more"], "nor is one that is not the last"


@pytest.mark.parametrize("given_", [keywords(to="bob", wrong=1), keywords(count=1)])
def test_keywords_that_do_not_fit_show_the_signature(given_: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=r"Letter\.perform\(to: Any, count: int = 1"):
        read(given_)


@pytest.mark.parametrize("args", [[], [1], ["x"], [{}], [{"arguments": {}}], [{"arguments": None}], data(1) * 2])
def test_payloads_without_arguments(args: list[Any]) -> None:
    with pytest.raises(ArgumentError, match="no list of arguments"):
        arguments(Letter.__fastkiq__, args)
    assert shown(args) == []


MARKERS = ["_aj_globalid", "_aj_serialized", "_aj_symbol_keys", "_aj_ruby2_keywords", "value"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MARKERS, "to", "x"]), inner, max_size=4)
        | st.builds(of_rails, st.sampled_from(["Date", "Time", "Duration", "BigDecimal", "Range", ""]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_stored_value_does_more_than_be_refused(value: Any) -> None:
    for args in ([value], data(value), data(1, value)):
        assert not keys_of(shown(args)) & {"_aj_serialized", "_aj_symbol_keys", "_aj_ruby2_keywords"}
        with suppress(ArgumentError):
            arguments(Letter.__fastkiq__, args)


def keys_of(value: Any) -> set[str]:
    """The keys of all hashes in it."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set(value).union(*map(keys_of, value.values())) if isinstance(value, dict) else set()


MAILER = "ActionMailer::MailDeliveryJob"


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"wrapped": "LetterJob", "args": data(1)}, {}),
        ({"args": data(1)}, {}),
        ({"args": []}, {}),
        ({"wrapped": None, "args": [5]}, {}),
        ({"wrapped": "LetterJob", "args": []}, {"display_class": "LetterJob", "wrapped": None}),
        ({"wrapped": ["x"], "args": [[1]]}, {"display_class": WRAPPERS[1], "wrapped": None}),
        ({"wrapped": "LetterJob", "args": ["x"]}, {}),
        ({"wrapped": MAILER, "args": ["x"]}, {"display_class": MAILER, "wrapped": ""}),
        ({"args": [MAILER]}, {"display_class": WRAPPERS[1], "wrapped": ""}),
        ({"wrapped": MAILER, "args": data("A", "b", "deliver_now", {"args": []})}, {}),
        ({"wrapped": MAILER, "args": data("A", "b")}, {"display_class": MAILER, "wrapped": None}),
        ({"wrapped": "ActionMailer::DeliveryJob", "args": data()}, {}),
        ({"class": "Other", "wrapped": MAILER, "args": []}, {}),
        ({"class": [], "wrapped": {}, "args": {}}, {}),
    ],
)
def test_what_cannot_be_unwrapped_says_so_no_more(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    """Which of these Sidekiq's pages take is proved by `tests/sidekiq`."""
    payload = {"class": WRAPPERS[1], **fields}
    assert repair(payload) == changes
    mended = {key: value for key, value in (payload | changes).items() if value is not None}
    assert repair(mended) == {}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_record_of_such_a_job(wrapper: str) -> None:
    stored = {"class": wrapper, "wrapped": "LetterJob", "args": data({"a": 1, "_aj_symbol_keys": ["a"]}), "jid": "1"}
    raw = json.dumps(stored).encode()
    job = Job.from_bytes(raw)
    assert (job.class_name, job.args, job.jid) == ("LetterJob", [{"a": 1}], "1")
    assert (job.payload, job.raw) == (stored, raw)


@pytest.mark.parametrize(
    "fields",
    [{"class": "Other"}, {"wrapped": ""}, {"wrapped": 7}, {"wrapped": None}, {"class": None}],
)
def test_others_are_taken_at_their_word(fields: dict[str, Any]) -> None:
    stored = {"class": WRAPPERS[1], "wrapped": "LetterJob", "args": data(1), **fields}
    job = Job.from_bytes(json.dumps(stored).encode())
    assert (job.class_name, job.args) == (stored["class"] or "", data(1))
