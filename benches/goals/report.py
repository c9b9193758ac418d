"""Writes what was measured into docs/performance.md."""

from lab import REPOSITORY
from lab.document import fill, table
from lab.rounds import Record
from lab.scrub import scrub
from lab.summary import spread

from goals.table import goals

DOCUMENT = REPOSITORY / "docs" / "performance.md"
FACTS = "facts"
"""The workload under which the facts of the machine are kept."""


def write(records: list[Record]) -> None:
    """The table of goals, and every figure behind it. ValueError when the document has lost its marks."""
    fill(DOCUMENT, "goals", goals_table(records))
    fill(DOCUMENT, "goals: machine", _machine(records))
    fill(DOCUMENT, "goals: figures", _figures(records))


def goals_table(records: list[Record]) -> str:
    """What was to be reached, what was measured, and whether that is enough."""
    rows = []
    for goal in goals():
        verdict = goal.judge(records)
        rows.append((goal.work, goal.goal, verdict.measured, verdict.words))
    return table(("work", "goal", "measured: median (least to most)", "verdict"), rows)


def summary(records: list[Record]) -> str:
    """For a terminal: what is missed or was not measured, and how many goals are met."""
    judged = [(goal, goal.judge(records)) for goal in goals()]
    lines = [
        f"  {verdict.words.replace('*', '')}: {goal.work}: {verdict.measured} (goal: {goal.goal})"
        for goal, verdict in judged
        if verdict.met is False
    ]
    absent = dict.fromkeys(verdict.words for _, verdict in judged if verdict.measured == "-")
    met = sum(verdict.met is True for _, verdict in judged)
    missed = sum(verdict.met is False for _, verdict in judged)
    return "\n".join([f"{met} goals met, {missed} missed", *lines, *(f"  {words}" for words in absent)])


def _machine(records: list[Record]) -> str:
    found = [record for record in records if record.get("workload") == FACTS]
    if not found:
        return "Not measured yet."
    return table(("", ""), [(name, scrub(value)) for name, value in found[-1]["facts"].items()])


def _figures(records: list[Record]) -> str:
    """Every contender of every workload, with CPU and memory where they were measured."""
    names = dict.fromkeys(
        (record["workload"], record["contender"]) for record in records if record.get("workload") != FACTS
    )
    rows = []
    for workload, contender in names:
        found = spread(records, workload, contender)
        if found is None:
            continue
        unit = next(record["unit"] for record in records if _is(record, workload, contender) and "unit" in record)
        others = (
            ("worker_cpu", 1000, "{:.2f}"),
            ("redis_cpu", 1000, "{:.2f}"),
            ("round_trips", 1, "{:.4f}"),
            ("peak", 1e-6, "{:.1f}"),
        )
        more = [(spread(records, workload, contender, fact), scale, form) for fact, scale, form in others]
        cells = [form.format(each.median * scale) if each else "" for each, scale, form in more]
        if workload == "rest":
            cells[2] = ""  # a second, not a job
        rows.append((workload, contender, f"{found.text(_number)} {unit}", str(found.rounds), *cells))
    costs = ("worker, CPU us a job", "Redis, CPU us a job", "round trips a job", "peak RSS, MB")
    header = ("workload", "contender", "median (least to most)", "rounds", *costs)
    return table(header, sorted(rows, key=lambda row: row[0]))


def _is(record: Record, workload: str, contender: str) -> bool:
    return record.get("workload") == workload and record.get("contender") == contender


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
