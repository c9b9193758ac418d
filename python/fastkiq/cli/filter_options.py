"""The filters of the listings and of the actions, as on the web."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from fastkiq.api import Filter
from fastkiq.cli.completion import queues

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = {
    "class_name": ("--class", "TEXT", "Only of classes whose name has this in it."),
    "queue": ("--queue", "NAME", "Only of this queue."),
    "error": ("--error", "TEXT", "Only with this in `ErrorClass: message`."),
    "argument": ("--arg", "TEXT", "Only with this in the arguments, as compact JSON."),
    "tag": ("--tag", "TAG", "Only with this tag."),
    "jid": ("--jid", "JID", "Only with this jid."),
    "text": ("--text", "TEXT", "Only with this anywhere in the stored job."),
    "group": ("--group", "GROUP", "Only errors of this group (see --groups)."),
}


def filter_options(*left_out: str) -> Callable[[F], F]:
    """Adds the options, but for such that make no sense."""

    def add(command: F) -> F:
        for name, (option, metavar, text) in reversed(_OPTIONS.items()):
            if name not in left_out:
                words = ("-q", option) if name == "queue" else (option,)
                complete = queues if name == "queue" else None
                command = click.option(
                    *words, name, metavar=metavar, help=text, callback=_refuse_empty, shell_complete=complete
                )(command)
        return command

    return add


def wanted_of(given: dict[str, Any]) -> Filter | None:
    """The filter, taken out of the command's parameters; None when nothing was asked for."""
    chosen = {name: value for name in _OPTIONS if (value := given.pop(name, None)) is not None}
    return Filter(**chosen) if chosen else None


def _refuse_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An empty text is no condition: with `--class "$NAME"` and no NAME, everything would be meant."""
    if value == "":
        raise click.BadParameter("it is empty, which would mean everything", param=parameter)
    return value
