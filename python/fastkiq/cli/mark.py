"""`fastkiq mark`: a deploy, shown in the graphs of Sidekiq's metrics page."""

from typing import Any

import click

from fastkiq import client, config, deploy
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.time_option import time_of
from fastkiq.client import When
from fastkiq.printable import printable

_EPILOG = """\b
Examples:
  fastkiq mark                        the commit that is checked out here
  fastkiq mark "v1.2.3"               every host of the deploy may say so
  fastkiq mark "v1.2.3" --at 2030-01-01T00:00:00Z
"""


@click.command(epilog=_EPILOG)
@click.argument("label", required=False)
@click.option("--at", type=time_of, metavar="TIME", help="Not now: ISO 8601 with a zone, or epoch seconds.")
@redis_options
def mark(label: str | None, at: When | None, **given: Any) -> None:
    """Marks a deploy: a line with LABEL in the graphs of the metrics page.

    Without a LABEL it is the short hash and the subject of the current git commit. The same label within a minute,
    or another one in the same minute, makes no second mark.
    """
    configured(**given)
    text = deploy.commit() if label is None else label
    made = deploy.mark(text, at, client=client.Client(config=config.default()))
    click.echo(f"{'marked' if made else 'marked before'}: {printable(text, 300)}")
