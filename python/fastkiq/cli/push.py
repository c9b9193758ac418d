"""`fastkiq push`: jobs from a shell."""

import sys
from typing import IO, Any

import click

from fastkiq import client, config, loader, registry
from fastkiq.cli.bulk import push_lines
from fastkiq.cli.completion import files
from fastkiq.cli.json_arguments import decoded
from fastkiq.cli.output import say
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.time_option import span_of, time_of
from fastkiq.client import When
from fastkiq.hints import for_worker
from fastkiq.options import name_suggestion
from fastkiq.printable import counted

_EXAMPLES = """\b
Examples:
  fastkiq push app.jobs.HardWorker '"bob"' 5      JSON: a text wears quotes
  fastkiq push app.jobs.HardWorker 1 --in 1h30m   60, 90s, 5m, 2d, 250ms
  fastkiq push HardJob --at 2030-01-01T00:00:00Z  a Ruby class, at a time
  seq 1000 | sed 's/.*/[&]/' | fastkiq push app.jobs.Count --bulk -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.argument("args", nargs=-1, metavar="[JSON]...")
@click.option("-q", "--queue", metavar="NAME", help="Queue (the worker's own, else default).")
@click.option(
    "--in", "in_", type=span_of, metavar="SPAN", help="Not before this has passed: seconds, or 250ms, 5m, 1h30m, 2d."
)
@click.option(
    "--at", type=time_of, metavar="TIME", help="Not before this time: ISO 8601 with a zone, or epoch seconds."
)
@click.option(
    "--bulk", type=click.File("rb"), metavar="FILE", help="One job a line, a JSON list of arguments; - = stdin."
)
@click.option(
    "-m",
    "--module",
    "modules",
    multiple=True,
    metavar="MODULE",
    shell_complete=files,
    help="Load this module, file or folder first.",
)
@redis_options
def push(
    name: str,
    args: tuple[str, ...],
    queue: str | None,
    in_: float | None,
    at: When | None,
    bulk: IO[bytes] | None,
    modules: tuple[str, ...],
    **given: Any,
) -> None:
    """Enqueues a job of the worker NAME and prints its jid; with --bulk many, and prints how many.

    With -m the worker's own queue, retries and other options count, and the arguments are checked. Without it nothing
    is known of the worker: the job goes to the queue "default" (or --queue) with 25 retries, its arguments as they are.
    """
    configured(**given)
    for module in modules:
        loader.load(module)
    if modules and registry.find(name) is None:
        raise click.UsageError(_not_defined(name, modules))
    if not modules and sys.stderr.isatty() and (hint := for_worker(name)):
        say(f"no file here defines a worker {name}{hint} (it is enqueued all the same)")
    options = {} if queue is None else {"queue": queue}
    pusher = client.Client(config=config.default())
    if bulk is None:
        jid = pusher.push(name, *decoded(args), in_=in_, at=at, **options)
        click.echo(jid if jid is not None else "stopped by client middleware")
        return
    if args or in_ is not None:
        raise click.UsageError("--bulk takes the arguments from its file, and --at for a time")
    click.echo(f"{counted(push_lines(pusher, name, bulk, at, options), 'job')} enqueued")


def _not_defined(name: str, modules: tuple[str, ...]) -> str:
    where = ", ".join(modules)
    known = [entry.name for entry in registry.entries()]
    if not known:
        return f"{where} defines no worker, so none that is called {name}"
    last = name.rpartition(".")[2]
    namesakes = [each for each in known if each.rpartition(".")[2] == last]
    hint = f"; did you mean {namesakes[0]!r}?" if namesakes else name_suggestion(name, known)
    return f"{where} defines no worker {name}" + (hint or f", only {', '.join(known[:5])}")
