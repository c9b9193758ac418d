"""A goal: what is measured, what was to be reached, and what the records say of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lab.rounds import Record
from lab.summary import Spread, failures, ratio, spread

Form = Callable[[float], str]


@dataclass(frozen=True)
class Verdict:
    """`met` is None where nothing was measured, or nothing was to be reached."""

    measured: str
    met: bool | None
    words: str


@dataclass(frozen=True)
class Goal:
    """One line of the table. `family` measures it; `sources` are the contenders it needs, as (workload, name)."""

    family: str
    work: str
    goal: str
    sources: tuple[tuple[str, str], ...]
    figure: Callable[[list[Record]], Spread | None]
    form: Form
    least: float | None = None
    most: float | None = None
    stretch: float | None = None
    beside: Callable[[list[Record]], str] = lambda _: ""
    """More that belongs to the figure, shown behind it."""

    def judge(self, records: list[Record]) -> Verdict:
        """By the median."""
        found = self.figure(records)
        if found is None:
            return Verdict("-", None, f"not measured: {self._reason(records)}")
        text = found.text(self.form) + self.beside(records)
        bound = self.least if self.least is not None else self.most
        if bound is None:
            return Verdict(text, None, "-")
        met = found.median >= bound if self.least is not None else found.median <= bound
        if not met:
            return Verdict(text, False, f"**missed** ({abs(found.median / bound - 1):.0%} off)")
        if self.stretch is not None:
            return Verdict(text, True, "met, stretch too" if found.median >= self.stretch else "met, not the stretch")
        return Verdict(text, True, "met")

    def _reason(self, records: list[Record]) -> str:
        for workload, contender in self.sources:
            if reason := failures(records, workload, contender):
                return f"{contender}: {reason}"
        return f"`python benches/goals --rows {self.family}`"


def compared(
    family: str,
    work: str,
    goal: str,
    workload: str,
    contender: str,
    other: str,
    *,
    fact: str = "value",
    least: float | None = None,
    most: float | None = None,
    stretch: float | None = None,
    beside: str = "",
    scale: float = 1.0,
) -> Goal:
    """A ratio of a fact of two contenders in the same rounds. `beside`: the form of the two absolutes behind it, given
    their medians times `scale`."""

    def absolutes(records: list[Record]) -> str:
        ours, theirs = spread(records, workload, contender, fact), spread(records, workload, other, fact)
        if not beside or ours is None or theirs is None:
            return ""
        return "; " + beside.format(ours.median * scale, theirs.median * scale)

    return Goal(
        family,
        work,
        goal,
        ((workload, contender), (workload, other)),
        lambda records: ratio(records, workload, contender, other, fact),
        times,
        least,
        most,
        stretch,
        absolutes,
    )


def absolute(
    family: str,
    work: str,
    goal: str,
    workload: str,
    contender: str,
    form: Form,
    *,
    fact: str = "value",
    most: float | None = None,
    figure: Callable[[list[Record]], Spread | None] | None = None,
    beside: Callable[[list[Record]], str] = lambda _: "",
) -> Goal:
    """A fact by itself."""
    read = figure or (lambda records: spread(records, workload, contender, fact))
    return Goal(family, work, goal, ((workload, contender),), read, form, None, most, None, beside)


def difference(
    workload: str, contender: str, fact: str, other: str, scale: float
) -> Callable[[list[Record]], Spread | None]:
    """Of two facts of one record."""

    def figure(records: Iterable[Record]) -> Spread | None:
        return Spread.of(
            (record[fact] - record[other]) * scale
            for record in records
            if record.get("workload") == workload and record.get("contender") == contender and fact in record
        )

    return figure


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.3f} x" if value < 2 else f"{value:.1f} x"
