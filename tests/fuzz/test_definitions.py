"""Recurring jobs of any kind in Redis: Python and Rust agree on which of them are fired."""

import json
from typing import Any

from hypothesis import example
from hypothesis import strategies as st

from fastkiq import _core
from fastkiq.cron.definition import Definition
from fuzz.kit import fuzz, numbers, texts, values

NAMES = st.sampled_from(["n", "", "a b", "\u00a0", "\u202e", "x" * 200, "\U0001f600" * 201, "\ud800"]) | texts
EXPRESSIONS = st.sampled_from(["* * * * *", "@daily", "*/5 * * * * *", "0 6 * * mon-fri", "61 * * * *", "0 0 30 2 *"])
SPANS = st.sampled_from([1, 0.9996, 60.0, 1e9, -0.0, None]) | numbers
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "class": NAMES | st.sampled_from(["Shop::Job", "app.job", "a.<locals>.b"]),
    "args": st.lists(values, max_size=2) | values,
    "queue": NAMES | st.just("q" * 1_025),
    "cron": EXPRESSIONS | st.none() | texts,
    "every": SPANS,
    "first_in": SPANS,
    "interval": SPANS,
    "at": SPANS,
    "in": SPANS,
    "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Nowhere", None]) | texts,
    "missed": st.sampled_from(["skip", "once", "all", "twice", None]),
    "description": texts | st.just("x" * 1_001) | values,
    "enabled": st.booleans() | values,
    "source": st.sampled_from(["code", "file", "api", "moon", None]),
    "options": st.dictionaries(st.sampled_from(["retry", "tags", "jid", "retry_for", "cattr"]), values, max_size=3),
    "class_name": NAMES,
    "in_": SPANS,
}
FINE = {"name": "n", "class": "A", "args": [], "queue": "q"}


def written(fields: dict[str, Any]) -> bytes:
    return json.dumps({**FINE, **fields}, ensure_ascii=False).encode("utf-8", "surrogatepass")


alike = st.dictionaries(st.sampled_from(list(FIELDS)), st.none(), min_size=1, max_size=4).flatmap(
    lambda chosen: st.fixed_dictionaries({name: FIELDS[name] for name in chosen})
)
"""A few of the fields, so that most of the others are as they should be."""


objects = st.dictionaries(st.text(max_size=8), values, max_size=5)


@fuzz("definitions", st.one_of(alike, objects).map(written) | st.binary(max_size=60))
@example(written({"every": 60, "options": {"retry": True, "tags": {}}}))
@example(written({"every": 60, "class_name": "B", "in_": 5}))
@example(written({"every": 60, "first_in": None, "at": None}))
def test_python_reads_what_rust_fires_and_nothing_else(raw: bytes) -> None:
    found = refused = None
    try:
        found = Definition.from_json(raw)
    except ValueError as error:
        refused = str(error)
    assert refused == _core.cron_flaw(raw)
    if found is not None:
        assert Definition.from_json(found.to_json()) == found
        assert found.describe()
        assert len(found.ticks(1e9, 2, 1e9)) <= 2
