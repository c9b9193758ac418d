"""What the core makes of stored entries that are moved to another place (`_core.mended`)."""

import json
import time
from typing import Any, Literal

import pytest

from fastkiq import _core
from fastkiq.errors import ConfigError

Place = Literal["queue", "retry", "schedule", "dead"]
SETS: tuple[Place, ...] = ("retry", "schedule", "dead")
SOUND = b'{ "class":"A","args":[1.50],"queue":"q","jid":"j","failed_at":5,"unheard":{"a":[]} }'


def read(raw: bytes, to: Place, compat: str | None = None) -> dict[str, Any]:
    return dict(json.loads(_core.mended(raw, "mail", to, compat)))


@pytest.mark.parametrize("to", ["queue", *SETS])
def test_what_is_sound_is_the_same_object(to: Place) -> None:
    assert _core.mended(SOUND, "mail", to) is SOUND


@pytest.mark.parametrize("to", ["queue", *SETS])
def test_all_else_stays_byte_for_byte(to: Place) -> None:
    odd = SOUND.replace(b'"jid":"j"', b'"jid":"j","tags":"x","cattr":5')
    assert _core.mended(odd, "mail", to) == SOUND.replace(b'"jid":"j"', b'"jid":"j","tags":["x"]')


def test_the_queue_is_that_where_it_was_when_it_names_none() -> None:
    assert read(b'{"class":"A","args":[]}', "dead")["queue"] == "mail"


def test_the_retry_set_shows_when_it_failed() -> None:
    raw = b'{"class":"A","args":[],"queue":"q"}'
    assert abs(read(raw, "retry")["failed_at"] - time.time() * 1000) < 10_000
    again = b'{"class":"A","args":[],"queue":"q","failed_at":5,"retry_count":2}'
    told = read(again, "retry", "sidekiq7")
    assert type(told["retried_at"]) is float
    assert abs(told["retried_at"] - time.time()) < 10
    assert "failed_at" not in read(raw, "dead")


@pytest.mark.parametrize("raw", [b"", b"[1]", b"no", b"\xff", b'{"class":5,"args":[]}', b'{"class":"A"}'])
def test_what_is_no_job_is_put_away_whole(raw: bytes) -> None:
    for to in SETS:
        told = read(raw, to)
        assert (told["class"], told["queue"], told["retry"]) == ("fastkiq.Unreadable", "mail", False)
        kept = _core.mended(raw, "mail", to)
        assert read(kept, to)["args"] == told["args"], "not put into another one"


def test_a_queue_takes_it_as_it_is() -> None:
    """Whoever claims it from there puts it away."""
    assert _core.mended(b"no", "mail", "queue") == b"no"


def test_other_places_are_refused() -> None:
    with pytest.raises(ValueError, match='queue, retry, schedule or dead, not "morgue"'):
        _core.mended(SOUND, "mail", "morgue")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="compat must be"):
        _core.mended(SOUND, "mail", "dead", "sidekiq5")
