"""Marks of deploys: lines in the graphs of Sidekiq's metrics page, so that one sees what a deploy changed."""

import subprocess
from datetime import UTC, datetime
from typing import Final

from fastkiq import client as clients
from fastkiq.client import Client, When, epoch_of
from fastkiq.errors import ArgumentError

__all__ = ["commit", "mark"]

KEPT: Final = 90 * 86_400
"""Seconds for which Redis keeps the marks of a day."""
LOCKED: Final = 60
"""Seconds in which the same label makes no second mark: all hosts of a deploy may call."""
LONGEST: Final = 255  # characters of a label
_NO_TAGS: Final = str.maketrans("<>", "‹›")


def mark(label: str | None = None, at: When | None = None, *, client: Client | None = None) -> bool:
    """Marks a deploy and answers True; False when there is a mark already, with this label or in this minute.

    `label` has at most 255 characters; without one it is the current commit, as `commit()` tells it. `<` and `>` become
    `‹` and `›`, since Sidekiq's page puts labels into its HTML as they are.
    `at` (aware datetime or epoch seconds) is now by Redis's clock unless it is given; the minute counts. Goes to
    `client`'s Redis, else to the configured one. Raises ArgumentError, RedisError.
    """
    text = _sound(commit() if label is None else label)
    core = (client or clients.default()).core
    second = float(core.command("TIME")[0]) if at is None else epoch_of(at)
    if second < 0:
        raise ArgumentError(f"a deploy before 1970 cannot be marked: {second:.0f} s")
    minute = datetime.fromtimestamp(second - second % 60, UTC)
    stamp = f"{minute:%Y-%m-%dT%H:%M:%SZ}"
    if core.command("SET", f"deploylock-{text}", stamp, "NX", "EX", LOCKED) is None:
        return False
    key = f"{minute:%Y%m%d}-marks"
    made = core.command("HSETNX", key, stamp, text)
    core.command("EXPIRE", key, KEPT)
    return bool(made)


def commit() -> str:
    """Short hash and subject of the commit that is checked out here. Raises ArgumentError where there is none."""
    try:
        told = subprocess.run(
            ["git", "log", "-1", "--format=%h %s"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArgumentError(f"a deploy mark needs a label: git does not tell the commit ({error})") from None
    if told.returncode:
        reason = told.stderr.decode("utf-8", "replace").strip()
        raise ArgumentError(f"a deploy mark needs a label: git does not tell the commit ({reason[:200]})")
    return told.stdout.decode("utf-8", "replace").strip()[:LONGEST]


def _sound(label: object) -> str:
    if not isinstance(label, str) or not label.strip():
        raise ArgumentError(f"the label of a deploy mark is a text, not {label!r:.80}")
    if len(label) > LONGEST:
        raise ArgumentError(f"the label of a deploy mark has at most {LONGEST} characters, not {len(label):,}")
    try:
        label.encode()
    except UnicodeEncodeError:
        raise ArgumentError("the label of a deploy mark is no valid text") from None
    return label.translate(_NO_TAGS)
