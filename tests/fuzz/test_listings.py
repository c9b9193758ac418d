"""The listings of the command line, over a Redis that holds anything."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
import redis as redis_py
from hypothesis import strategies as st

from fastkiq import cli
from fastkiq import config as configuration
from fuzz.kit import UNFIT, fuzz, payloads, stored, values

COMMANDS = [
    *(
        ["stats"],
        ["stats", "--days", "2"],
        ["queues"],
        ["queues", "default"],
        ["queues", "[red]x[/red]", "--order", "next"],
    ),
    *(["busy"], ["retries"], ["retries", "--groups"], ["scheduled"], ["scheduled", "--text", "a"], ["dead"]),
    *(["dead", "--error", "e"], ["dead", "--groups"], ["jobs", "known"], ["queues", "default", "--arg", "1"]),
]
TOO_LONG = b"x" * 1_048_577

scores = st.floats(allow_nan=False).map(repr)
jobs = stored | payloads.map(lambda payload: json.dumps({**payload, "jid": "known"}).encode()) | st.just(TOO_LONG)
entries = st.lists(st.tuples(jobs, scores), max_size=4)
names = st.sampled_from([b"default", b"\x1b[2J", b"a\nb", b"\xff", b"[red]x[/red]", "\u202e".encode(), b""])
info = values.map(
    lambda value: json.dumps(
        {"tag": value, "queues": value, "started_at": value, "version": value, "hostname": value, "capsules": value}
    ).encode("utf-8", "replace")
)
work = st.tuples(values, payloads).map(
    lambda pair: json.dumps({"queue": pair[0], "payload": json.dumps(pair[1]), "run_at": pair[0]}).encode(
        "utf-8", "replace"
    )
)
processes = st.fixed_dictionaries(
    {},
    optional={
        b"info": info | stored,
        b"busy": st.sampled_from([b"5", b"x", b"-1", b"9" * 30]),
        b"rss": st.just(b"1" * 18),
        b"rtt_us": st.sampled_from([b"5", b"x", b"9" * 30]),
        b"beat": st.sampled_from([b"5", b"x", b"1e999"]),
        b"quiet": stored,
    },
)
anything = st.sampled_from([b"text", [b"x"], {b"x": b"x"}, {b"x"}])


@st.composite
def contents(draw: st.DrawFn) -> dict[bytes, Any]:
    members = draw(st.sets(names, max_size=4))
    keys: dict[bytes, Any] = {
        b"queues": members,
        b"paused": draw(st.sets(names, max_size=2)),
        b"processes": draw(st.sets(names, max_size=3)),
        b"stat:processed": draw(st.sampled_from([b"5", b"x", b"-3", b"9" * 40])),
        **{key: draw(entries) for key in (b"retry", b"schedule", b"dead")},
        **{b"queue:" + name: draw(st.lists(jobs, max_size=2)) for name in members},
    }
    for name in keys[b"processes"]:
        keys[name] = draw(processes)
        keys[name + b":work"] = draw(st.dictionaries(names, work | stored, max_size=3))
    for key in draw(st.lists(st.sampled_from(sorted(keys)), max_size=2)):
        keys[key] = draw(anything)
    return keys


def fill(redis: redis_py.Redis, keys: dict[bytes, Any]) -> None:
    with redis.pipeline() as pipeline:
        pipeline.flushdb()
        for key, value in keys.items():
            if isinstance(value, bytes):
                pipeline.set(key, value)
            elif isinstance(value, set) and value:
                pipeline.sadd(key, *value)
            elif isinstance(value, dict) and value:
                pipeline.hset(key, mapping=value)
            elif value and isinstance(value[0], tuple):
                pipeline.zadd(key, {raw: float(score) for raw, score in value})
            elif value:
                pipeline.rpush(key, *value)
        pipeline.execute()


@pytest.fixture
def own_configuration() -> Iterator[None]:
    before = configuration.replace_default(configuration.Config())
    yield
    configuration.replace_default(before)


@fuzz("listings", contents(), st.sampled_from(COMMANDS), st.booleans(), share=0.2)
def test_any_contents(
    own_configuration: None,
    redis: redis_py.Redis,
    redis_url: str,
    keys: dict[bytes, Any],
    command: list[str],
    as_json: bool,
) -> None:
    fill(redis, keys)
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = cli.run([*command, "--redis", redis_url, *(["--json"] if as_json else [])])
    assert code == 0 or (code == 1 and command[0] == "jobs"), errors.getvalue()
    assert "Traceback" not in errors.getvalue()
    text = out.getvalue()
    assert not re.search(f"[{UNFIT}]", text + errors.getvalue())
    if as_json:
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
