"""The figures of docs/scaling.md: medians from the raw results, and what is reckoned from them."""

import math
from collections.abc import Callable
from pathlib import Path

from lab import document
from lab.rounds import Record
from lab.scrub import scrub
from lab.summary import failures, spread

COMMAND = ".venv/bin/python benches/scaling --only"
CORE = 1e6
"""Microseconds a second: Redis runs commands on one core."""
SHARE = 0.7
"""Of that core, what a Redis should be asked for in the long run, or a burst finds no room."""
GIGABIT = 1e9 / 8


def write(path: Path, records: list[Record]) -> None:
    """Each part between its own marks; the prose around them stays."""
    for name, part in PARTS.items():
        document.fill(path, name, "\n".join(part(records)))


def middle(records: list[Record], workload: str, contender: str, fact: str = "value") -> float | None:
    found = spread(records, workload, contender, fact)
    return found.median if found else None


def shown(value: float | None, form: str = "{:,.0f}") -> str:
    return "—" if value is None else form.format(value)


def measured(records: list[Record], workload: str, columns: dict[str, tuple[str, str]]) -> list[str]:
    """A table with a row a contender; columns: head -> (fact, form)."""
    names = list(dict.fromkeys(record["contender"] for record in records if record["workload"] == workload))
    if not names:
        return ["Not measured yet.", ""]
    lines = [f"| {workload} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in names:
        cells = []
        for fact, form in columns.values():
            found = spread(records, workload, name, fact)
            cells.append(found.text(form.format) if found else "")
        reason = failures(records, workload, name)
        lines.append(f"| {name}{f' ({reason})' if reason else ''} | {' | '.join(cells)} |")
    return [*lines, "", f"`{COMMAND} {workload}`"]


def made_on(records: list[Record]) -> list[str]:
    told = [record["facts"] for record in records if record["workload"] == "facts"]
    if not told:
        return ["Not measured yet."]
    return ["", *(f"- {name}: {scrub(value)}" for name, value in told[-1].items()), ""]


def jobs(records: list[Record]) -> list[str]:
    columns = {
        "jobs/s": ("value", "{:,.0f}"),
        "Redis, us a job": ("redis_us", "{:.2f}"),
        "bytes to Redis": ("received", "{:,.0f}"),
        "bytes from it": ("sent", "{:,.0f}"),
    }
    share = {"Redis, part of a core": ("redis_share", "{:.2f}")}
    worker = {"worker, us a job": ("worker_us", "{:.2f}")}
    return [
        "",
        *measured(records, "drain", {**columns, **share, **worker}),
        "",
        *measured(records, "claim", {**columns, **share}),
        "",
        *measured(records, "push", columns),
        "",
        *measured(records, "bulk", columns),
        "",
    ]


def capacity(records: list[Record]) -> list[str]:
    """What the core of Redis allows: 1,000,000 us a second over the costs of a job's whole way."""
    drain, saved = (
        middle(records, "drain", "2 processes", "redis_us"),
        middle(records, "drain", "2 processes, AOF", "redis_us"),
    )
    rows: list[tuple[str, float | None, float | None]] = [
        ("run jobs that are there (`drain`)", drain, saved),
        ("pushed in bulk, and run", _sum(_us(records, "bulk"), drain), _sum(_us(records, "bulk", ", AOF"), saved)),
        ("pushed one by one, and run", _sum(_us(records, "push"), drain), _sum(_us(records, "push", ", AOF"), saved)),
    ]
    lines = [
        "",
        f"| what Redis does | us a job | jobs/s at {SHARE:.0%} of its core | us a job, AOF | jobs/s, AOF |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, plain, kept in rows:
        lines.append(
            f"| {name} | {shown(plain, '{:.2f}')} | {_rate(plain)} | {shown(kept, '{:.2f}')} | {_rate(kept)} |"
        )
    return [*lines, ""]


def _us(records: list[Record], workload: str, kind: str = "") -> float | None:
    """Of what several clients push: the fullest load, since a busy Redis takes several pushes at a wake-up."""
    return middle(records, workload, f"{4 if workload == 'push' else 2} clients{kind}", "redis_us")


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _rate(cost: float | None) -> str:
    return shown(SHARE * CORE / cost if cost else None, "{:,.0f}")


def latency(records: list[Record]) -> list[str]:
    columns = {
        "p50, us": ("value", "{:,.0f}"),
        "p99, us": ("p99", "{:,.0f}"),
        "most, us": ("most", "{:,.0f}"),
        "claims": ("claims", "{:,.0f}"),
        "a script holds Redis, p50, us": ("script_p50", "{:,.0f}"),
        "p99": ("script_p99", "{:,.0f}"),
        "p99.9": ("script_p99_9", "{:,.0f}"),
    }
    return ["", *measured(records, "latency", columns), ""]


def heartbeats(records: list[Record]) -> list[str]:
    columns = {
        "Redis, us a second": ("value", "{:,.0f}"),
        "round trips a second": ("reads", "{:.2f}"),
        "bytes a second": ("bytes", "{:,.0f}"),
        "connections": ("connections", "{:.1f}"),
        "its own CPU, us a second": ("worker_us", "{:,.0f}"),
    }
    lines = ["", *measured(records, "heartbeat", columns), ""]
    busy, crowd = middle(records, "heartbeat", "busy"), middle(records, "heartbeat", "busy, registry of 5,000")
    others, connections = (
        middle(records, "heartbeat", "busy, registry of 5,000", "others"),
        middle(records, "heartbeat", "idle", "connections"),
    )
    if busy is None or crowd is None or others is None or connections is None:
        return lines
    per_other = max(0.0, crowd - busy) / others
    one, ten, third = (_processes(part * CORE, busy, per_other) for part in (0.01, 0.1, 1 / 3))
    return [
        *lines,
        f"Reckoned: a process costs {busy:,.0f} us a second, and {per_other:.3f} us for each other one there is, "
        f"so n of them cost n x ({busy:,.0f} + {per_other:.3f} n). {one:,.0f} busy processes take 1 % of Redis's "
        f"core, {ten:,.0f} take 10 %, {third:,.0f} take a third. Redis's default limit of 10,000 connections "
        f"(`maxclients`) is reached by {10_000 / connections:,.0f} processes that serve one queue.",
        "",
    ]


def _processes(budget: float, each: float, per_other: float) -> float:
    """The n at which n x (each + per_other x n) reaches the budget; all in us a second."""
    if each <= 0 or per_other <= 0:
        return budget / each if each > 0 else 0.0
    return (math.sqrt(each * each + 4 * per_other * budget) - each) / (2 * per_other)


def memory(records: list[Record]) -> list[str]:
    columns = {"payload, bytes": ("payload", "{:,.0f}"), "bytes a job": ("value", "{:,.0f}")}
    lines = ["", *measured(records, "memory", columns), ""]
    rows = (("in a queue", "waiting"), ("scheduled, to be retried, dead", "scheduled"))
    found = [(middle(records, "memory", f"{place}, 180"), word) for place, word in rows]
    told = [f"{2**30 / each / 1e6:.1f} million {word}" for each, word in found if each]
    return [*lines, f"Reckoned: a GiB holds {' or '.join(told)} jobs of 180 bytes.", ""] if told else lines


def shards(records: list[Record]) -> list[str]:
    """The rates at which the first of the limits is met."""
    single, bulk = (
        _sum(_us(records, each), middle(records, "drain", "2 processes", "redis_us")) for each in ("push", "bulk")
    )
    bytes_a_job = _sum(
        _sum(middle(records, "drain", "2 processes", "sent"), middle(records, "drain", "2 processes", "received")),
        _sum(middle(records, "push", "4 clients", "sent"), middle(records, "push", "4 clients", "received")),
    )
    held = middle(records, "memory", "in a queue, 180")
    rows = [
        (
            "Redis's core, jobs pushed one by one",
            f"{_rate(single)} jobs/s",
            f"{SHARE:.0%} of a core, from the table above",
        ),
        ("Redis's core, jobs pushed in bulk", f"{_rate(bulk)} jobs/s", f"{SHARE:.0%} of a core, from the table above"),
        (
            "a network of 1 Gbit/s",
            f"{shown(SHARE * GIGABIT / bytes_a_job if bytes_a_job else None)} jobs/s",
            f"{SHARE:.0%} of it, {shown(bytes_a_job)} bytes a job in and out, pushed one by one",
        ),
        (
            "memory",
            f"{shown(2**30 / held / 1e6 if held else None, '{:.1f}')} million jobs a GiB",
            "what waits while the workers are down: rate times the longest outage",
        ),
    ]
    lines = ["", "| limit | reached at | reckoned from |", "|---|---:|---|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


PARTS: dict[str, Callable[[list[Record]], list[str]]] = {
    "machine": made_on,
    "jobs": jobs,
    "capacity": capacity,
    "latency": latency,
    "heartbeats": heartbeats,
    "memory": memory,
    "shards": shards,
}
