"""`flask fastkiq`: fastkiq's command line with the application loaded."""

import sys

import click
from flask.cli import ScriptInfo, pass_script_info

from fastkiq import config as configuration
from fastkiq.settings import Rank


@click.command(
    "fastkiq",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Background jobs: process, stats, retries and so on.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def command(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """`fastkiq`, with this application's settings; `process` without a module loads the application's package."""
    from fastkiq import cli  # only here: an application that serves requests need not load it

    app = info.load_app()
    if app.import_name != "__main__":
        configuration.default().put("require", [app.import_name], source="flask", rank=Rank.FILE)
    sys.exit(cli.run(arguments))
