"""Writes docs/benchmarks.md and its plots from what has been measured."""

from pathlib import Path

from contender import Contender
from lab.rounds import Record


def write(records: list[Record], contenders: list[Contender], folder: Path) -> None:
    print(f"{len(records)} records of {len(contenders)} contenders")
