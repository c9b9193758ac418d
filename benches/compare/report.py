"""Writes docs/benchmarks.md and its plots from what has been measured.

The prose is written by hand and stays: only what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is
replaced.
"""

import json
import re
import subprocess
from pathlib import Path

import tables
from contender import HERE, Contender
from figures import COST, RATES, REST, WAKEUP, Question, lines
from install import harness
from lab.rounds import Record

PLOTS = {
    **{question.workload: (question,) for question in RATES},
    "wakeup": WAKEUP,
    "cpu": COST[:1],
    "memory": REST[:1],
}


def write(records: list[Record], contenders: list[Contender], folder: Path) -> None:
    """`folder` gets benchmarks.md, where there is none one with all sections and no prose, and the folder of plots."""
    records = [record for record in records if record["contender"] in {"", *(each.name for each in contenders)}]
    document, pictures = folder / "benchmarks.md", folder / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = draw(records, contenders, pictures)
    sections = made(records, contenders, drawn)
    text = document.read_text() if document.exists() else _empty(sections)
    for name, content in sections.items():
        text = _replaced(text, name, content)
    document.write_text(text)
    print(f"wrote {document}", flush=True)


def made(records: list[Record], contenders: list[Contender], drawn: set[str]) -> dict[str, str]:
    """Section -> its Markdown."""
    sections = {"machine": tables.machine(records), "loses": tables.losing(records, contenders)}
    for question in RATES:
        sections[question.workload] = tables.rate(records, contenders, question)
    sections |= {
        "wakeup": tables.wakeup(records, contenders),
        "cpu": tables.cost(records, contenders),
        "memory": tables.rest(records, contenders),
        "kill": tables.kill(records, contenders),
        "configurations": tables.configurations(records, contenders),
    }
    for name in drawn:
        alternative = PLOTS[name][0].title
        sections[name] = f"![{alternative}](benchmarks/{name}.svg)\n\n{sections[name]}"
    return sections


def draw(records: list[Record], contenders: list[Contender], folder: Path) -> set[str]:
    """The names of the plots that were drawn, by a process of the environment that has the library for it."""
    plots = {name: plot(records, contenders, questions) for name, questions in PLOTS.items()}
    plots = {name: each for name, each in plots.items() if each["bars"]}
    if plots:
        command = [str(harness()), str(HERE / "plots.py"), str(folder)]
        subprocess.run(command, input=json.dumps(plots), text=True, check=True)
    return set(plots)


def plot(records: list[Record], contenders: list[Contender], questions: tuple[Question, ...]) -> dict[str, object]:
    """What plots.py needs to know: a bar for each contender; a second question is a mark beside the bar."""
    first, *more = questions
    marks = {line.contender.name: line.spread.median for each in more for line in lines(records, contenders, each)}
    bars = [
        {
            "name": line.contender.name,
            "title": line.contender.title,
            "floor": line.contender.floor,
            "value": line.spread.median,
            "least": line.spread.least,
            "most": line.spread.most,
            "mark": marks.get(line.contender.name),
            "label": tables.number(line.spread.median),
        }
        for line in lines(records, contenders, first)
    ]
    return {"title": first.title, "unit": first.unit, "more": first.more_is_better, "bars": bars}


def _replaced(text: str, name: str, content: str) -> str:
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the document has no section {name!r}: <!-- begin {name} --> and <!-- end {name} -->")
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def _empty(sections: dict[str, str]) -> str:
    parts = [f"## {name}\n\n<!-- begin {name} -->\n<!-- end {name} -->\n" for name in sections]
    return "# Trial\n\n" + "\n".join(parts)
