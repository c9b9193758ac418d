"""The question before something that cannot be taken back."""

import sys

import click

from fastkiq.printable import printable


class Declined(click.ClickException):
    """The answer was no: exit code 1."""

    def __init__(self) -> None:
        super().__init__("nothing was done")


def confirm(what: str) -> None:
    """Asks on the terminal whether to do this. Raises Declined; UsageError where there is nobody to ask."""
    text = printable(what, 500)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{text}? Nobody can be asked here: --yes says that it is meant")
    if not click.confirm(f"{text}?", err=True):
        raise Declined
