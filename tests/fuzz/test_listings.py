"""The listings of the command line, over a Redis that holds anything."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hypothesis import strategies as st

from fastkiq import cli
from fastkiq.cli import show
from fastkiq.cli.inspect import Inspector
from fastkiq.errors import RedisReplyError
from fuzz.kit import UNFIT, fuzz, payloads, stored, values

COMMANDS = ["stats", "queues", "busy", "retries", "scheduled", "dead"]


class Redis:
    """As much of a server as the listings use, whose keys hold what they are given."""

    def __init__(self, keys: dict[bytes, Any]) -> None:
        self.keys = keys

    def command(self, *words: Any) -> Any:
        name, *rest = [word.encode() if isinstance(word, str) else word for word in words]
        if name == b"EVAL":
            return self._script(str(words[1]), rest[2 : 2 + rest[1]], rest[2 + rest[1] :])
        return getattr(self, name.decode().lower())(*rest)

    def _get(self, key: bytes, kind: type) -> Any:
        value = self.keys.get(key, kind())
        if not isinstance(value, kind):
            raise RedisReplyError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _script(self, source: str, keys: list[bytes], args: list[Any]) -> list[Any]:
        if "HSTRLEN" in source:
            return [
                self.keys[key].get(field) if isinstance(self.keys.get(key), dict) else None
                for key in keys
                for field in args[1:]
            ]
        if "LLEN" in source:
            lists = [self.keys.get(key, []) for key in keys]
            pairs = [
                (len(each), each[-1] if each else None) if isinstance(each, list) else (-1, None) for each in lists
            ]
            return [part for pair in pairs for part in pair]
        entries = self._get(keys[0], list)[args[1] : args[1] + args[2]]
        return [part for raw, score in entries for part in (raw, score, 0 if raw is None else len(raw))]

    def get(self, key: bytes) -> Any:
        return self._get(key, bytes) or None

    def scard(self, key: bytes) -> int:
        return len(self._get(key, set))

    def sscan(self, key: bytes, cursor: bytes, *_: Any) -> list[Any]:
        members = sorted(self._get(key, set))
        return [b"0", members] if cursor != b"0" or not members else [b"17", members[:1]]

    def smismember(self, key: bytes, *members: bytes) -> list[int]:
        return [int(member in self._get(key, set)) for member in members]

    def zcard(self, key: bytes) -> int:
        return len(self._get(key, list))

    def hlen(self, key: bytes) -> int:
        return len(self._get(key, dict))

    def hkeys(self, key: bytes) -> list[bytes]:
        return list(self._get(key, dict))

    def info(self) -> bytes:
        return b"# Server\r\nredis_version:7.0.0\r\nodd\r\nconnected_clients:x\r\n"


scores = st.floats(allow_nan=False).map(lambda score: repr(score).encode())
entries = st.lists(st.tuples(stored | st.none(), scores), max_size=4)
names = st.sampled_from([b"default", b"\x1b[2J", b"a\nb", b"\xff", b"[red]x[/red]", "\u202e".encode(), b""])
info = values.map(
    lambda value: json.dumps({"tag": value, "queues": value, "started_at": value}).encode("utf-8", "replace")
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
        b"quiet": stored,
    },
)
anything = st.sampled_from([b"text", [], {}, set()])


@st.composite
def contents(draw: st.DrawFn) -> dict[bytes, Any]:
    members = draw(st.sets(names, max_size=4))
    keys: dict[bytes, Any] = {
        b"queues": members,
        b"paused": draw(st.sets(names, max_size=2)),
        b"processes": draw(st.sets(names, max_size=3)),
        b"stat:processed": draw(st.sampled_from([b"5", b"x", b"-3", b"9" * 40])),
        **{key: draw(entries) for key in (b"retry", b"schedule", b"dead")},
        **{b"queue:" + name: draw(st.lists(stored, max_size=2)) for name in members},
    }
    for name in keys[b"processes"]:
        keys[name] = draw(processes)
        keys[name + b":work"] = draw(st.dictionaries(names, work | stored, max_size=3))
    for key in draw(st.lists(st.sampled_from(sorted(keys)), max_size=2)):
        keys[key] = draw(anything)
    return keys


@fuzz("listings", contents(), st.sampled_from(COMMANDS), st.booleans(), share=0.2)
def test_any_contents(keys: dict[bytes, Any], command: str, as_json: bool) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(show, "_inspector", lambda given: Inspector(Redis(keys)))  # type: ignore[arg-type]
    out, errors = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            code = cli.run([command, *(["--json"] if as_json else [])])
    finally:
        patch.undo()
    assert code == 0, errors.getvalue()
    text = out.getvalue()
    assert not re.search(f"[{UNFIT}]", text + errors.getvalue())
    if as_json:
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
