"""One table of definitions for both languages: what Rust fires is what Python can show, and nothing else is.

`rust/cron/definition_tests.rs` reads it too. "strange" is what a newer version may understand: Rust leaves such an
entry its time, and Python refuses it as one that is broken.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fastkiq import _core
from fastkiq.cron.definition import Definition

Case = tuple[str, str, bytes]
_DECODER = json.JSONDecoder()


def case(line: str) -> Case:
    """Verdict, title, and the definition as it stands there; one that is no JSON object is kept as a text."""
    at = line.index('"definition": ') + len('"definition": ')
    value, end = _DECODER.raw_decode(line, at)
    found: dict[str, Any] = json.loads(line)
    return found["verdict"], found["title"], (value if isinstance(value, str) else line[at:end]).encode()


CASES = [case(line) for line in Path(__file__).with_name("definitions.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("verdict", "raw"), [pytest.param(verdict, raw, id=title) for verdict, title, raw in CASES])
def test_python_s_verdict_is_that_of_the_table(verdict: str, raw: bytes) -> None:
    flaw = _core.cron_flaw(raw)
    if verdict == "fine":
        assert flaw is None
        found = Definition.from_json(raw)
        assert Definition.from_json(found.to_json()) == found
        assert found.describe()
    else:
        with pytest.raises(ValueError, match=r"^it") as raised:
            Definition.from_json(raw)
        assert str(raised.value) == flaw


def test_a_broken_one_is_refused_by_both_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own checks, which name the field for whoever writes one, are no laxer, but for the values of options and
    for what Redis alone may hold."""
    monkeypatch.setattr(_core, "cron_flaw", lambda raw: None)
    lax = []
    for verdict, title, raw in CASES:
        try:
            Definition.from_json(raw)
        except (ValueError, TypeError, AttributeError):
            continue
        if verdict != "fine":
            lax.append(title)
    known = ("too deep", "a key twice", "half a surrogate", "options ", "no args", "no queue")
    assert all(title.startswith(known) for title in lax), lax
