"""From records to medians: a spread of values, and ratios taken within each round before anything is averaged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from lab.rounds import Record
from lab.scrub import scrub


@dataclass(frozen=True)
class Spread:
    """The median of some values with the least and the greatest of them."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """None when there are no values."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1], len(found)) if found else None

    def text(self, form: Callable[[float], str]) -> str:
        """ "median (least to most)", or the value alone where there is one only."""
        if self.rounds == 1:
            return form(self.median)
        return f"{form(self.median)} ({form(self.least)} to {form(self.most)})"


def by_round(records: Iterable[Record], workload: str, contender: str, fact: str = "value") -> dict[int, float]:
    """Round -> a fact of the contender's record; rounds in which it failed are not there."""
    return {
        record["round"]: record[fact]
        for record in records
        if record.get("workload") == workload and record.get("contender") == contender and record.get(fact) is not None
    }


def spread(records: Iterable[Record], workload: str, contender: str, fact: str = "value") -> Spread | None:
    """Of a fact over all rounds."""
    return Spread.of(by_round(records, workload, contender, fact).values())


def ratio(
    records: list[Record], workload: str, contender: str, other: str, fact: str = "value", other_fact: str | None = None
) -> Spread | None:
    """Of the contender's fact to the other's in the same round, over all rounds in which both have one."""
    ours = by_round(records, workload, contender, fact)
    theirs = by_round(records, workload, other, other_fact or fact)
    return Spread.of(ours[number] / theirs[number] for number in ours if theirs.get(number))


def failures(records: Iterable[Record], workload: str, contender: str) -> str | None:
    """The last error, or reason of absence, of a contender, as it may be published."""
    last = None
    for record in records:
        if record.get("workload") == workload and record.get("contender") == contender:
            last = record.get("error") or record.get("absent") or last
    return scrub(last) if last else None


def percentile(values: Iterable[float], percent: float) -> float:
    """The value below which `percent` of the values lie, by the nearest rank. ValueError without values."""
    found = sorted(values)
    if not found:
        raise ValueError("no values")
    return found[min(len(found) - 1, max(0, round(percent / 100 * len(found) + 0.5) - 1))]
