"""`fastkiq push`: jobs from a shell."""

from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

import click

from fastkiq import _core, client, config, loader
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.errors import RedisError
from fastkiq.printable import printable

_EXAMPLES = """\b
Examples:
  fastkiq push app.jobs.HardWorker '"bob"' 5         arguments are JSON: a text wears quotes
  fastkiq push app.jobs.HardWorker 1 --in 60         in a minute
  fastkiq push HardJob --at 2030-01-01T00:00:00Z     a Ruby class, at a time
  seq 1000 | sed 's/.*/[&]/' | fastkiq push app.jobs.Count --bulk -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.argument("args", nargs=-1, metavar="[JSON]...")
@click.option("-q", "--queue", metavar="NAME", help="Queue (the worker's own, else default).")
@click.option("--in", "in_", type=float, metavar="SECONDS", help="Not before so many seconds have passed.")
@click.option("--at", metavar="TIME", help="Not before this time: ISO 8601 with a zone, or epoch seconds.")
@click.option(
    "--bulk", type=click.File("rb"), metavar="FILE", help="One job a line, a JSON list of arguments; - = stdin."
)
@click.option(
    "-m", "--module", "modules", multiple=True, help="Load this first: then its options and signatures count."
)
@redis_options
def push(
    name: str,
    args: tuple[str, ...],
    queue: str | None,
    in_: float | None,
    at: str | None,
    bulk: IO[bytes] | None,
    modules: tuple[str, ...],
    **given: Any,
) -> None:
    """Enqueues a job of the worker NAME and prints its jid; with --bulk many, and prints how many."""
    configured(**given)
    for module in modules:
        loader.load(module)
    options = {} if queue is None else {"queue": queue}
    pusher = client.Client(config=config.default())
    when = None if at is None else _time(at)
    if bulk is None:
        values = [_json(text, f"argument {position}") for position, text in enumerate(args, 1)]
        jid = pusher.push(name, *values, in_=in_, at=when, **options)
        click.echo(jid if jid is not None else "stopped by client middleware")
        return
    if args or in_ is not None:
        raise click.UsageError("--bulk takes the arguments from its file, and --at for a time")
    try:
        jids = pusher.push_bulk(name, _rows(bulk), at=when, **options)
    except RedisError as error:
        click.echo(
            f"fastkiq: {len(error.pushed):,} jobs were enqueued before this; {len(error.uncertain):,} may be", err=True
        )
        raise
    click.echo(f"{len(jids):,} jobs enqueued")


def _rows(file: IO[bytes]) -> Iterator[list[Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        row = _json(line, f"line {number}")
        if not isinstance(row, list):
            raise click.UsageError(f"line {number} is no JSON list of arguments")
        yield row


def _json(text: str | bytes, where: str) -> Any:
    try:
        return _core.decode(text)
    except ValueError as error:
        shown = printable(text if isinstance(text, str) else text.decode("utf-8", "replace").rstrip("\n"), 60)
        hint = f"; a text is written '\"{shown}\"'" if shown.isalnum() else ""
        raise click.UsageError(f"{where} is no JSON: {shown} ({error}){hint}") from None


def _time(text: str) -> datetime | float:
    try:
        return float(text)
    except ValueError:
        pass  # then it is a date
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither ISO 8601 nor epoch seconds", param_hint="--at") from None
