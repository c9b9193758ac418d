"""The codec: what is encoded reads back equal and of the same type, in the bytes that Ruby would have written."""

import enum
import json
import math
import os
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastkiq import _core
from fastkiq.errors import ArgumentError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(text, inner, max_size=6))
others = st.none() | st.booleans() | st.integers() | text
floatless = st.recursive(others, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(text, inner, max_size=6))
objects = st.dictionaries(text, values, max_size=8)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down; -0.0 is not 0.0, and dicts keep their order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


@given(values)
def test_any_json_value_survives(value: Any) -> None:
    stored = _core.encode(value)
    assert same(_core.decode(stored), value)
    assert same(_core.decode(stored.decode()), value)
    assert same(json.loads(stored), value)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_reads_what_other_writers_write(value: Any, ascii_only: bool, indent: int | None) -> None:
    foreign = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert same(_core.decode(foreign), value)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_reads_no_more_than_json(data: str | bytes) -> None:
    try:
        found = _core.decode(data)
    except (ValueError, UnicodeEncodeError):
        return
    assert same(json.loads(data), found)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (2.5, "2.5"),
        (1e-7, "0.0000001"),
        (0.00015, "0.00015"),
        (1e-9, "0.000000001"),
        (1e-10, "1e-10"),
        (1e14, "100000000000000.0"),
        (1e15, "1e+15"),
        (1.5e16, "1.5e+16"),
        (1.2345678901234568e17, "1.2345678901234568e+17"),
        (5e-324, "5e-324"),
        (sys.float_info.max, "1.7976931348623157e+308"),
        (-(2**63), "-9223372036854775808"),
        (2**64, "18446744073709551616"),
        ('"\\/\b\f\n\r\t\x00\x1f\x7f\u2028é😀', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028é😀"'),
        ([[], {}, None, True, False], "[[],{},null,true,false]"),
        ({"b": 1, "a": {"c": [1, 2]}}, '{"b":1,"a":{"c":[1,2]}}'),
    ],
)
def test_golden_bytes(value: Any, stored: str) -> None:
    assert _core.encode(value) == stored.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_have_an_exponent_only_where_ruby_gives_them_one(number: float) -> None:
    stored = _core.encode(number).decode()
    whole = stored.endswith(".0")
    assert ("e" not in stored) == (number == 0 or 1e-9 <= abs(number) < (1e15 if whole or "e" in stored else 1e16))
    digits = stored.split("e")[0].replace(".", "").replace("-", "").strip("0")
    assert len(digits) <= 17
    assert float(stored) == number


@pytest.mark.skipif(os.environ.get("FASTKIQ_CI") != "1", reason="needs ruby, which CI installs; golden bytes stand in")
@settings(max_examples=30, deadline=None)
@given(st.lists(floatless, max_size=8))
def test_ruby_writes_the_same_bytes(batch: list[Any]) -> None:
    """All but floats, which json 2 (Debian's) printed otherwise."""
    stored = b"\n".join(_core.encode([value]) for value in batch)
    program = "require 'json'; STDOUT.binmode; STDIN.each_line { |line| puts JSON.generate(JSON.parse(line)) }"
    ruby = subprocess.run(["ruby", "-Ku", "-e", program], input=stored, capture_output=True, check=True, timeout=30)
    assert ruby.stdout.splitlines() == stored.splitlines()


def test_integers_are_whole_up_to_4300_digits() -> None:
    for number in [10**4300 - 1, 1 - 10**4300, 2**70, -(2**63) - 1]:
        assert _core.encode(number) == str(number).encode()
        assert _core.decode(str(number)) == number
    for number in [10**4300, -(10**4300), 2**1_000_000]:
        with pytest.raises(ArgumentError, match=r"^value: int of more than 4,300 digits"):
            _core.encode(number)
    with pytest.raises(ValueError, match="out of range"):
        _core.decode("1" * 4301)


class Colour(enum.Enum):
    RED = 1


class Shade(str, enum.Enum):  # noqa: UP042 - as many are written, and str() of a StrEnum would do
    DARK = "dark"


class Size(enum.IntEnum):
    LARGE = 3


class Name(str):
    __slots__ = ()


@dataclass
class Record:
    id: int


Point = namedtuple("Point", "x y")
WHEN = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, {"when": WHEN}], r'^value\[1\]\["when"\]: datetime; pass \.isoformat\(\) or \.timestamp\(\)$'),
        ([WHEN.date()], r"^value\[0\]: date; pass \.isoformat\(\)$"),
        (timedelta(1), r"^value: timedelta; pass \.total_seconds\(\)$"),
        (Decimal("1.5"), r"^value: Decimal; pass str\(\.\.\.\)$"),
        (uuid.UUID(int=1), r"^value: UUID; pass str"),
        (Path("x"), r"^value: PosixPath; pass str"),
        ({1}, r"^value: set; pass list"),
        ([(1, 2)], r"^value\[0\]: tuple; pass list"),
        (Point(1, 2), r"^value: Point; pass list"),
        (b"x", r"^value: bytes; pass text"),
        (Colour.RED, r"^value: Colour; pass \.value, or annotate the parameter with the enum$"),
        ([Shade.DARK], r"^value\[0\]: Shade; pass \.value, or annotate"),  # str() of it is "Shade.DARK"
        (Size.LARGE, r"^value: Size; pass \.value, or annotate"),
        (Name("x"), r"^value: Name; a subclass: pass str"),
        (OrderedDict(a=1), r"^value: OrderedDict; a subclass: pass dict"),
        (Record(1), r"^value: Record; pass its id"),
        (object(), r"^value: object; arguments are JSON"),
        (math.nan, r"^value: float nan; .*pass None"),
        ([-math.inf], r"^value\[0\]: float -inf; "),
        ({"a": {1: 2}}, r'^value\["a"\]: a key of type int; keys are str'),
        ({Name("a"): 2}, r"^value: a key of type Name"),
        (["\ud800"], r"^value\[0\]: str with a lone surrogate; "),
        ({"\ud800": 1}, r"^value: str with a lone surrogate; "),
        ({"a\n\x1b[31m": {1}}, r'^value\["a\\n\\u\{1b\}\[31m"\]: set'),
    ],
)
def test_what_is_not_json_is_refused_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        _core.encode(value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_depth_is_ruby_s() -> None:
    nested: Any = []
    for _ in range(99):
        nested = [nested]
    assert _core.decode(_core.encode(nested)) == nested
    with pytest.raises(ArgumentError, match="nested more than 100 deep"):
        _core.encode([nested])
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ArgumentError, match="nested more than 100 deep"):
        _core.encode(loop)
    with pytest.raises(ValueError, match="recursion"):
        _core.decode("[" * 100_000)


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'["\ude00", {"\ud83d": "\\ud83d"}]', ["\ufffd", {"\ufffd": r"\ud83d"}]),
        (r'"\ud83d\ud83d\ude00x"', "\ufffd😀x"),
    ],
)
def test_a_lone_surrogate_costs_a_letter_and_no_job(stored: str, value: Any) -> None:
    assert _core.decode(stored) == value


def test_of_a_repeated_inner_key_the_last_value_stands() -> None:
    assert _core.decode('{"a":{"b":1,"b":2}}') == {"a": {"b": 2}}


@pytest.mark.parametrize(
    "bad", ["", "nan", "NaN", "Infinity", "[1,]", "{'a':1}", "01", '"\x00"', "[1] 2", b'"\xff"', "nul"]
)
def test_what_is_not_json_raises_value_error(bad: str | bytes) -> None:
    with pytest.raises(ValueError):
        _core.decode(bad)


@given(objects, st.dictionaries(text | st.sampled_from(["a", "b"]), st.none() | values, max_size=4), st.booleans())
def test_splicing_changes_nothing_else(stored: dict[str, Any], fields: dict[str, Any], spaced: bool) -> None:
    payload = json.dumps(stored).encode() if spaced else _core.encode(stored)
    spliced = _core.splice(payload, fields)
    expected = {key: value for key, value in stored.items() if key not in fields or fields[key] is not None}
    expected |= {key: value for key, value in fields.items() if value is not None}
    assert same(_core.decode(spliced), expected)
    assert _core.splice(payload, {}) == payload
    untouched = {key: value for key, value in stored.items() if key not in fields}
    for key, value in untouched.items():
        member = json.dumps({key: value})[1:-1].encode() if spaced else _core.encode({key: value})[1:-1]
        assert member in spliced


@given(objects, st.dictionaries(text, values.filter(lambda value: value is not None), min_size=1, max_size=4))
def test_what_was_spliced_in_can_be_taken_out(stored: dict[str, Any], fields: dict[str, Any]) -> None:
    assume(not stored.keys() & fields.keys())
    payload = _core.encode(stored)
    assert _core.splice(_core.splice(payload, fields), dict.fromkeys(fields)) == payload


def test_foreign_spelling_stays_as_it_is() -> None:
    payload = b' { "a" : 1e2 , "\\u0062":"\\u00e9" ,"c":[ 1,2 ] } '
    assert _core.splice(payload, {"b": "x"}) == b' { "a" : 1e2 , "\\u0062":"x" ,"c":[ 1,2 ] } '
    assert _core.splice(payload, {"a": None, "d": 1}) == b' { "\\u0062":"\\u00e9" ,"c":[ 1,2 ] ,"d":1} '


def test_spliced_text_need_not_be_utf_8() -> None:
    """Error messages are whatever they are, and settling a job must not fail for them."""
    assert _core.splice(b"{}", {"error_message": "a\udcffb"}) == b'{"error_message":"a?b"}'


@pytest.mark.parametrize("bad", [b"", b"[1]", b"null", b'{"a":1', b'{"a":1,"\\u0061":2}', b'{"a":\xff}', b"[" * 200])
def test_only_objects_are_spliced(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it (is|has)"):
        _core.splice(bad, {"b": 1})


@given(st.text('{}[]",:\\u0123456789abcdefn.eE+- tr', max_size=40))
def test_what_the_splicer_accepts_can_be_decoded(inner: str) -> None:
    """The fetcher checks payloads with the splicer's walker, and jobs decode them with another parser."""
    payload = ('{"args":[' + inner + "]}").encode()
    try:
        _core.splice(payload, {})
    except ValueError:
        return
    _core.decode(payload)


@pytest.mark.parametrize("digits", [4300, 4301, 100_000])
@pytest.mark.parametrize("form", ["{}", "-{}", "{}.5", "{}e5", "0.{}", "1e-{}"])
def test_both_parsers_agree_on_long_numbers(digits: int, form: str) -> None:
    number = form.format("1" * digits)

    def accepts(call: Any) -> bool:
        try:
            call()
        except ValueError:
            return False
        return True

    payload = b'{"args":[' + number.encode() + b"]}"
    assert accepts(lambda: _core.splice(payload, {})) <= accepts(lambda: _core.decode(payload))
