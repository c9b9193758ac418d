"""The tables of what lost, from the raw results into docs/performance.md."""

from collections.abc import Iterable

from forms import FORMS
from lab.rounds import Record
from lab.summary import Spread, failures, ratio, spread

OURS = "flights"


def table(records: list[Record]) -> list[str]:
    """Lines of Markdown: a row a form, the cheapest for Redis at the middle size first."""
    sizes = sorted({int(name.split()[1]) for name in _workloads(records) if name.startswith("claim ")})
    if not sizes:
        return ["Not measured yet."]
    middle = f"claim {sizes[len(sizes) // 2]}"
    listed, one = ", ".join(map(str, sizes)), middle.split()[1]
    heads = [*(f"us at {size}" for size in sizes), "ratio", "commands, us", "bytes", "jobs/s"]
    lines = [
        f"Redis's CPU time a job, in us, for claim, ack and counters in batches of {listed}. Then, at {one}: its ratio "
        "to fastkiq's form, taken within each round; the part that the commands themselves take by INFO commandstats "
        "(the rest is sockets and protocol); bytes on the wire a job; jobs a second of one client in Python that does "
        "nothing else. Medians (least to most).",
        "",
        f"| form | {' | '.join(heads)} | what speaks against it |",
        f"|---|{'---:|' * len(heads)}---|",
    ]
    lines += [
        _row(records, name, sizes, middle) for name in sorted(FORMS, key=lambda each: _cost(records, middle, each))
    ]
    return lines


def _workloads(records: Iterable[Record]) -> set[str]:
    return {record["workload"] for record in records}


def _cost(records: list[Record], workload: str, name: str) -> float:
    found = spread(records, workload, name)
    return found.median if found else float("inf")


def _row(records: list[Record], name: str, sizes: list[int], middle: str) -> str:
    form = FORMS[name]
    title = f"**{form.title}**" if name == OURS else form.title
    if spread(records, middle, name) is None:
        reason = failures(records, middle, name) or "not measured"
        return f"| {title} | {'|'.join([''] * (len(sizes) + 4))} | {reason} |"
    cells = [_text(spread(records, f"claim {size}", name), "{:.2f}") for size in sizes]
    cells.append(_text(ratio(records, middle, name, OURS), "{:.2f}"))
    for fact, shown in (("commands_us", "{:.2f}"), ("bytes", "{:,.0f}"), ("rate", "{:,.0f}")):
        found = spread(records, middle, name, fact)
        cells.append(shown.format(found.median) if found else "")
    return f"| {title} | {' | '.join(cells)} | {form.remark} |"


def _text(found: Spread | None, shown: str) -> str:
    return found.text(shown.format) if found else ""


def wheels_table(records: list[Record]) -> list[str]:
    """Lines of Markdown: what `wheels.py` found, a row a workload and pair of wheels."""
    names = list(dict.fromkeys(record["workload"] for record in records))
    if not names:
        return ["Not measured yet: see `benches/alternatives/wheels.py --help`."]
    lines = [
        "Two wheels, each in an environment of its own, in turn. The ratio is that of the second to the first within "
        "each round: above 1, the second is faster.",
        "",
        "| the second wheel | work | first | second | ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for name in names:
        cells = [_text(spread(records, name, each), "{:,.0f}") for each in ("a", "b")]
        cells.append(_text(ratio(records, name, "b", "a"), "{:.2f}"))
        unit = next((record["unit"] for record in records if record["workload"] == name and "unit" in record), "")
        pair, _, work = name.partition(": ")
        lines.append(f"| {pair} | {work}, {unit} | {' | '.join(cells)} |")
    return lines
