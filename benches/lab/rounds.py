"""Contenders in turn, round after round, and each answer kept at once as a line of JSON."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""workload, contender, round, value, unit, at (epoch seconds) and whatever else the contender told; or `error` in
place of the value."""
Contender = Callable[[int], "Measurement"]
"""Called with the round's number, from 0 on."""


class Measurement:
    """One answer of a contender: a value with its unit, and further facts by name."""

    def __init__(self, value: float, unit: str, **facts: Any) -> None:
        self.value, self.unit, self.facts = value, unit, facts


class Absent(Exception):
    """This contender cannot take part here; says why. Not a failure."""


class Results:
    """A file of records, appended to as they come, so that an interrupted run loses the round it was in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> list[Record]:
        """All records; a line that was cut off by a crash is left out."""
        if not self.path.exists():
            return []
        records = []
        for line in self.path.read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
        return records

    def append(self, record: Record) -> None:
        line = json.dumps(record, separators=(",", ":")) + "\n"
        with self.path.open("a") as file:
            file.write(line)

    def keep(self, wanted: Callable[[Record], bool]) -> None:
        """Drops the records that are not wanted."""
        kept = [record for record in self.read() if wanted(record)]
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in kept))
        fresh.replace(self.path)

    def forget(self, workloads: Iterable[str]) -> None:
        """Drops all records of these workloads: they are measured anew."""
        names = set(workloads)
        self.keep(lambda record: record.get("workload") not in names)

    def forget_round(self, workload: str, number: int) -> None:
        """Drops what one round of a workload has left."""
        self.keep(lambda record: (record.get("workload"), record.get("round")) != (workload, number))

    def complete(self, workload: str, number: int, contenders: Iterable[str]) -> bool:
        """Whether each contender has answered, or failed, in this round."""
        there = {
            record["contender"]
            for record in self.read()
            if record.get("workload") == workload and record.get("round") == number
        }
        return there.issuperset(contenders)


def interleave(
    workload: str,
    contenders: Mapping[str, Contender],
    rounds: int,
    results: Results,
) -> None:
    """Each contender once a round; the order turns by one from round to round, so that none is always first.

    A round that is complete in `results` is not repeated; of one that is not, nothing is kept. A contender that fails
    costs its own line: `error` says why.
    """
    names = list(contenders)
    for number in range(rounds):
        if results.complete(workload, number, names):
            continue
        results.forget_round(workload, number)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.monotonic()
            record = {"workload": workload, "contender": name, "round": number, **_measured(contenders[name], number)}
            results.append({**record, "at": round(time.time(), 3)})
            where = f"{workload:16} round {number + 1}/{rounds}  {name:28}"
            print(f"{where} {_shown(record)}  ({time.monotonic() - began:.1f} s)", flush=True)


def _measured(contender: Contender, number: int) -> Record:
    try:
        measurement = contender(number)
    except Absent as reason:
        return {"absent": str(reason)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:600]}
    return {"value": measurement.value, "unit": measurement.unit, **measurement.facts}


def _shown(record: Record) -> str:
    if "value" in record:
        return f"{record['value']:>12,.6g} {record['unit']}"
    return record.get("error") or f"absent: {record['absent']}"
