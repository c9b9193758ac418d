"""Fills the queues, and how fast that goes."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

from fastkiq import _core, client
from fastkiq.bench.database import ASIDE
from fastkiq.bench.jobs import Nothing
from fastkiq.bound import Bound
from fastkiq.config import Config

SINGLES: Final = 10_000
"""Jobs that are enqueued one by one, at most, and for at most so long:"""
_SECONDS: Final = 3.0
_DOCUMENT: Final = {"mike": "bob"}
_ENQUEUED_AT: Final = len(b',"enqueued_at":1234567890123')

Target = Bound[[str, int, dict[str, str]]]


def text_for(payload_bytes: int | None) -> str:
    """The text that makes a stored job that large, to a few bytes. Raises ValueError when it cannot be that small."""
    if payload_bytes is None:
        return "string"
    prepared = client.Client("redis://localhost", config=Config()).prepare(Nothing.set(), _row("", 0), None)
    least = len(_core.encode(prepared)) + _ENQUEUED_AT
    if payload_bytes < least:
        raise ValueError(f"the smallest job takes {least} bytes")
    return "x" * (payload_bytes - least)


def singly(targets: Sequence[Target], text: str, most: int) -> tuple[int, float]:
    """Enqueues one by one, in a loop on one thread; answers how many jobs and in how many seconds."""
    began = perf_counter()
    number = 0
    while number < most and perf_counter() - began < _SECONDS:
        targets[number % len(targets)].perform_async(text, number, _DOCUMENT)
        number += 1
    return number, perf_counter() - began


def in_bulk(targets: Sequence[Target], text: str, jobs: int) -> float:
    """Enqueues so many, spread evenly; answers the seconds."""
    began = perf_counter()
    for number, target in enumerate(targets):
        share = range(number, jobs, len(targets))
        target.perform_bulk(_row(text, each) for each in share)
    return perf_counter() - began


def put_aside(core: _core.Client, queues: list[str]) -> None:
    """Where no worker sees them."""
    for queue in queues:
        if core.command("EXISTS", f"queue:{queue}"):
            core.command("RENAME", f"queue:{queue}", ASIDE + queue)


def put_back(core: _core.Client, queues: list[str]) -> None:
    """All of a queue in one step, in no time."""
    for queue in queues:
        if core.command("EXISTS", ASIDE + queue):
            core.command("RENAME", ASIDE + queue, f"queue:{queue}")


def _row(text: str, number: int) -> Any:
    return (text, number, _DOCUMENT)
