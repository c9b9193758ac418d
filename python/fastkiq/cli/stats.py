"""`fastkiq stats`: totals, sizes and the state of Redis."""

from dataclasses import asdict
from typing import Any

import click

from fastkiq.api import Server, Stats, connect
from fastkiq.cli.forms import plain
from fastkiq.cli.listing_options import json_option
from fastkiq.cli.output import print_json, print_notes, print_table
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import Row
from fastkiq.cli.table import Column

_EXAMPLES = """\b
Examples:
  fastkiq stats
  fastkiq stats --days 30          what each day brought
  fastkiq stats --json
"""


@click.command(epilog=_EXAMPLES)
@click.option("--days", type=click.IntRange(1, 1_825), metavar="N", help="The counts of the last N days (UTC) instead.")
@json_option
@redis_options
def stats(days: int | None, as_json: bool, **given: Any) -> None:
    """Totals, sizes and the state of Redis."""
    found = Stats(connect(configured(**given)))
    if days is not None:
        history: list[Row] = [asdict(day) | {"date": day.date.isoformat()} for day in found.history(days)]
        if as_json:
            print_json(history)
        else:
            columns = [
                Column("Day", "date", str),
                Column("Processed", "processed", plain),
                Column("Failed", "failed", plain),
            ]
            print_table(history, columns)
        return
    summary = asdict(found.summary())
    notes = summary.pop("notes")
    row = {**summary, **_facts(found.server())}
    if as_json:
        print_json(row)
    else:
        shown = [(key, value) for key, value in row.items() if value is not None and not key.endswith("_bytes")]
        rows: list[Row] = [{"what": key.replace("_", " "), "value": value} for key, value in shown]
        print_table(rows, [Column("", "what", str), Column("", "value", plain)])
    print_notes(notes)


def _facts(server: Server) -> Row:
    return {
        "server": f"{server.name} {server.version}",
        "memory": _bytes(server.memory),
        "peak_memory": _bytes(server.peak_memory),
        "most_memory": _bytes(server.most_memory) if server.most_memory else None,
        "memory_bytes": server.memory,
        "peak_memory_bytes": server.peak_memory,
        "most_memory_bytes": server.most_memory,
        "clients": server.clients,
        "uptime_days": server.uptime_days,
    }


def _bytes(size: int) -> str:
    """As Redis writes it for people: `1.50M`."""
    value, units = float(size), "BKMGTP"
    for unit in units:
        if abs(value) < 1_024 or unit == units[-1]:
            break
        value /= 1_024
    return f"{value:.2f}{unit}" if unit != "B" else f"{size}B"
