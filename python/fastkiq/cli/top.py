"""`fastkiq top`: a terminal UI."""

import sys
from typing import Any

import click

from fastkiq import _core
from fastkiq.cli.redis_option import configured, redis_options


@click.command()
@click.option("--read-only", is_flag=True, help="Look, and change nothing.")
@redis_options
def top(read_only: bool, **given: Any) -> int:
    """A terminal UI: what happens now, processes, queues, scheduled, retried and dead jobs, metrics.

    ? shows the keys, q quits.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise click.ClickException(
            "top needs a terminal; in pipes there are stats, queues, busy and others with --json"
        )
    try:
        from fastkiq.tui.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise click.ClickException("top needs textual: pip install 'fastkiq[tui]'") from None
    from fastkiq.api import connect

    config = configured(**given)
    place = _core.parse_url(config.resolved_url())["safe"].removeprefix("redis://").removesuffix("/0")
    return run(lambda: connect(config), place, read_only=read_only)
