"""What one check has found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "info", "unknown", "warning", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("ok", "info", "unknown", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about what was found, and one about what to do. Texts of Redis's are in them as they are."""

    check: str
    """A name that stays the same from version to version, for monitors."""
    level: Level
    found: str
    do: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among them."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")
