"""The scripts of recurring jobs, called as the Rust side calls them; see `calls.py`."""

import hashlib

from model.calls import Call

CRON, NEXT, PAUSED, ORPHANS = "fastkiq:cron", "fastkiq:cron:next", "fastkiq:cron:paused", "fastkiq:cron:orphans"
NAME = "nightly"
HISTORY, HELD, SEEN = (f"fastkiq:cron:{kind}:{NAME}" for kind in ("history", "held", "seen"))


def sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def due(most: int = 100, longest: int = 100, most_bytes: int = 1_000, passed: int = 0) -> Call:
    return Call("cron_due", (NEXT, CRON), (most, longest, most_bytes, passed))


def tick(
    score: str,
    definition: str,
    *,
    holder: str = "",
    following: str = "200",
    after: str = "",
    payload: str = "job",
) -> Call:
    keys = ("queue:mail", "queues", CRON, NEXT, PAUSED, HISTORY, "fastkiq:alive")
    args = (NAME, score, sha(definition), holder, following, after, payload, "mail", "jid", "100", "tick", 3)
    return Call("cron_tick", keys, args)


def hold(identity: str, declared: str, stored: str | None, following: str = "keep") -> Call:
    keys = (CRON, NEXT, "fastkiq:alive", ORPHANS, HELD, SEEN)
    had = "" if stored is None else sha(stored)
    return Call("cron_hold", keys, (identity, NAME, sha(declared), had, declared, following, 32))


def move(score: str, length: int, following: str) -> Call:
    return Call("cron_move", (CRON, NEXT), (NAME, score, length, following))


def orphan(length: int, kept: int = 100) -> Call:
    return Call("cron_orphan", (CRON, NEXT, "fastkiq:alive", ORPHANS, HELD, SEEN, HISTORY), (NAME, length, kept))


def turn(seconds: int = 60, at_once: int = 0) -> Call:
    return Call("cron_turn", ("fastkiq:cron:swept",), (seconds, at_once))
