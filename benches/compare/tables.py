"""Markdown made of figures."""

from collections.abc import Iterable, Sequence

from contender import Contender
from figures import COST, KILL, REST, WAKEUP, Line, Question, lines, losses, missing
from lab.rounds import Record
from lab.scrub import scrub
from lab.summary import Spread, failures, spread


def rate(records: list[Record], contenders: Sequence[Contender], question: Question) -> str:
    """Median, least, most, and the ratio to fastkiq and to Sidekiq."""
    rows = [
        [
            line.contender.title,
            *(number(value) for value in (line.spread.median, line.spread.least, line.spread.most)),
            times(line.of_ours),
            times(line.of_sidekiq),
        ]
        for line in lines(records, contenders, question)
    ]
    head = ["system", f"median, {question.unit}", "min", "max", "of fastkiq", "of Sidekiq"]
    return _with_reasons(table(head, rows), missing(records, contenders, question.workload))


def wakeup(records: list[Record], contenders: Sequence[Contender]) -> str:
    """Both percentiles, each with its spread over the rounds; of few probes the greatest instead of the second."""
    p50, p99 = ({line.contender.name: line for line in lines(records, contenders, question)} for question in WAKEUP)
    rows = [
        [line.contender.title, *_three(line), *(_three(p99[name]) if name in p99 else _greatest(records, name))]
        for name, line in p50.items()
    ]
    head = ["system", "p50, ms", "of fastkiq", "of Sidekiq", "p99, ms", "of fastkiq", "of Sidekiq"]
    return _with_reasons(table(head, rows), missing(records, contenders, "wakeup"))


def _three(line: Line) -> list[str]:
    return [spread_text(line.spread), times(line.of_ours), times(line.of_sidekiq)]


def _greatest(records: list[Record], name: str) -> list[str]:
    found = spread(records, "wakeup", name, "max_ms")
    return [f"{spread_text(found)}, max" if found else "", "", ""]


def side_by_side(records: list[Record], contenders: Sequence[Contender], questions: Sequence[Question]) -> str:
    """A column for each question about one workload, sorted by the first."""
    columns = [
        {line.contender.name: spread_text(line.spread) for line in lines(records, contenders, each)}
        for each in questions
    ]
    titles = {contender.name: contender.title for contender in contenders}
    rows = [[titles[name], *(column.get(name, "") for column in columns)] for name in columns[0]]
    return table(["system", *(f"{each.title}{', ' if each.unit else ''}{each.unit}" for each in questions)], rows)


def cost(records: list[Record], contenders: Sequence[Contender]) -> str:
    return side_by_side(records, contenders, COST)


def rest(records: list[Record], contenders: Sequence[Contender]) -> str:
    return _with_reasons(side_by_side(records, contenders, REST), missing(records, contenders, "rest"))


def kill(records: list[Record], contenders: Sequence[Contender]) -> str:
    """What had not run when each contender's own wait was over, and when the interrupted jobs began again."""
    rows = []
    for line in lines(records, contenders, KILL[0]):
        name = line.contender.name
        first, last, interrupted, again, twice = (
            spread(records, "kill", name, fact)
            for fact in ("first_again_s", "last_again_s", "interrupted", "began_again", "twice")
        )
        seconds = line.contender.kill_seconds
        never = f"not within {seconds} s"
        when = f"{number(first.median)} to {number(last.median)} s" if first and last else never
        cells = [spread_text(each) if each else "" for each in (line.spread, interrupted, again)]
        rows.append([line.contender.title, str(seconds), *cells, when, spread_text(twice) if twice else ""])
    head = ["system", "N", "not run within N s", "interrupted", "of these begun again", "after", "ended twice"]
    return _with_reasons(table(head, rows), missing(records, contenders, "kill"))


def configurations(records: list[Record], contenders: Sequence[Contender]) -> str:
    versions = {each["contender"]: each.get("version", "") for each in records if each["workload"] == "install"}
    rows = []
    for contender in contenders:
        said = contender.configuration
        reason = failures(records, "install", contender.name)
        cells = [said.get(key, "") for key in ("durability", "prefetch", "log_level", "notes")]
        shown = f"cannot run here: {reason}" if reason else scrub(versions.get(contender.name, ""))
        rows.append([contender.title, contender.language, shown, *cells])
    return table(["system", "language", "version", "durability", "prefetch", "log level", "notes"], rows)


def losing(records: list[Record], contenders: Sequence[Contender]) -> str:
    """A line for each figure in which somebody's median is better than fastkiq's."""
    rows = [
        [
            question.title,
            line.contender.title,
            f"{spread_text(line.spread)} {question.unit}",
            f"{spread_text(us.spread)} {question.unit}" if us else "fastkiq: failed",
        ]
        for question, line, us in losses(records, contenders)
    ]
    if not rows:
        return "Nothing of what was measured."
    return table(["figure", "better", "its median (min to max)", "fastkiq's"], rows)


def machine(records: list[Record]) -> str:
    facts: dict[str, str] = next((record["facts"] for record in records if record["workload"] == "environment"), {})
    rounds = 1 + max((record["round"] for record in records), default=0)
    return table(["fact", "value"], [*([name, scrub(text)] for name, text in facts.items()), ["rounds", str(rounds)]])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned right when they hold numbers."""
    rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    numeric = [bool(rows) and all(not row[i] or row[i][0].isdigit() for row in rows) for i in range(len(head))]
    rule = ["---:" if each else "---" for each in numeric]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    if value >= 100:
        digits = max(0, len(str(int(value))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def spread_text(spread: Spread) -> str:
    return number(spread.median) if spread.least == spread.most else spread.text(number)


def times(ratio: Spread | None) -> str:
    return f"{number(ratio.median)} x" if ratio else ""


def _with_reasons(text: str, reasons: dict[str, str]) -> str:
    if not reasons:
        return text
    return text + "\n\nWithout a figure: " + "; ".join(f"{title} ({reason})" for title, reason in reasons.items()) + "."
