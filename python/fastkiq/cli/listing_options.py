"""What the listings and their actions have in common on the command line."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from fastkiq.options import suggestion

F = TypeVar("F", bound=Callable[..., Any])

CODES: Final = """\
Exit codes: 0 done; 1 something was not there, or could not be done, or your answer was no, or Redis failed;
2 called wrongly, or nobody there to be asked; 130 interrupted, and it says how far it came.
"""


class Actions(click.Group):
    """A listing that has commands. A word that is none is a mistake worth more than "no such command"."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            known = ", ".join(self.commands)
            hint = suggestion(args[0], self.commands) or f"; there are {known}, and for one job `fastkiq jobs JID`"
            raise click.UsageError(f"no such action: {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)


def json_option(command: F) -> F:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)


def yes_option(command: F) -> F:
    """Adds --yes."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def cursor_option(command: F) -> F:
    """Adds --cursor."""
    return click.option("--cursor", metavar="CURSOR", help="The next page: what the last one said.")(command)


def merged(context: click.Context) -> dict[str, Any]:
    """The options of an action: its own, and those that stand before its name. Raises UsageError for what was given
    twice, or means nothing to an action."""
    parent, params = context.parent, dict(context.params)
    if parent is None:
        return params
    for parameter in parent.command.params:
        name = parameter.name or ""
        if parent.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        option = max(parameter.opts, key=len)
        if name not in params:
            raise click.UsageError(f"{option} is for the listing and means nothing to {context.info_name}", context)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is given twice, before {context.info_name} and after", context)
        params[name] = parent.params[name]
    return params
