"""`fastkiq bench`: what this machine, this Python and this Redis make of fastkiq."""

import json
import os
from typing import Any, Final

import click

from fastkiq.bench import database, load, run, server
from fastkiq.bench.errors import BenchError
from fastkiq.cli.completion import words
from fastkiq.cli.output import progress
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.report import show

_MOST: Final = 8_388_608  # bytes of a payload, by default
_OVERHEAD: Final = 16  # bytes that a list adds to a job, about

_EXAMPLES = """\b
Examples:
  fastkiq bench                               on a private server
  fastkiq bench --jobs 1000000 -c 10
  fastkiq bench --delay 1                     Redis is 1 ms away
  fastkiq bench --redis redis://10.0.0.5/9    there, in its database 9

Exit codes: 0 measured, 1 could not be, 2 called wrongly, 130 interrupted.
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--jobs",
    type=click.IntRange(1, 100_000_000),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Jobs to enqueue and drain.",
)
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1, 10_000),
    default=25,
    show_default=True,
    metavar="N",
    help="Threads a process.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes that drain.",
)
@click.option(
    "--queues",
    type=click.IntRange(1, 1_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Queues the jobs are spread over.",
)
@click.option("--payload", type=click.IntRange(1, _MOST), metavar="BYTES", help="Size of a stored job (about 180).")
@click.option(
    "--fetch",
    type=click.Choice(["reliable", "basic"]),
    default="reliable",
    show_default=True,
    metavar="HOW",
    shell_complete=words("reliable", "basic"),
    help="reliable, or basic: plain pops, as Sidekiq.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0, 10_000),
    default=0.0,
    metavar="MS",
    help="Milliseconds that each round trip to Redis takes longer.",
)
@click.option(
    "--probes",
    type=click.IntRange(1, 100_000),
    default=300,
    show_default=True,
    metavar="N",
    help="How often an idle worker is woken up.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, units in the names.")
@redis_options
def bench(
    jobs: int,
    concurrency: int,
    processes: int,
    queues: int,
    payload: int | None,
    fetch: str,
    delay: float,
    probes: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Measures fastkiq here: enqueueing, draining, waking up, and what that takes of CPU, Redis and memory.

    Without --redis it starts a Redis or Valkey of its own, if one is installed (or fastkiq[embedded] is), and else
    uses the configured one. There it needs an empty database, which is empty again when it ends; it never empties one.
    """
    try:
        text = load.text_for(payload)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--payload") from None
    size = jobs * ((payload or 180) + _OVERHEAD)
    url = _where(given, size)
    if delay and url is not None and not run.delayable(url):
        raise click.UsageError("--delay works with redis:// and unix:// URLs, without TLS and Sentinel")
    plan = run.Plan(jobs, concurrency, processes, queues, fetch, text, delay, probes, size)
    try:
        with progress(every=0) as tell:
            figures = run.measure(plan, url, tell)
    except (BenchError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show(figures)


def _where(given: dict[str, Any], size: int) -> str | None:
    """The URL to measure on; None: a private server, on which the jobs will take `size` bytes."""
    config = configured(**given)
    if given["redis_url"] is None and server.binary() is not None:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if size > whole * database.SHARE:
            raise click.UsageError(
                f"so many jobs of that size take {size / 2**30:,.1f} GiB of Redis's memory, "
                f"and this machine has {whole / 2**30:,.1f} GiB"
            )
        return None
    return config.resolved_url()
