"""`fastkiq completion`: scripts for the shells, and what they offer for the values of options."""

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem, get_completion_class

_PATIENCE = 0.5
"""Seconds that a person with a finger on TAB waits for Redis."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_EPILOG = """\b
Add one line to your shell's start-up file:
  bash    eval "$(fastkiq completion bash)"
  zsh     eval "$(fastkiq completion zsh)"
  fish    fastkiq completion fish | source
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Prints the script that completes commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "fastkiq", "_FASTKIQ_COMPLETE").source())


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own completion of files and folders."""
    return [CompletionItem(incomplete, type="file")]


def words(*choices: str) -> Completer:
    """Completes to one of these."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]

    return complete


def queues(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes to the names of queues, of a Redis that answers at once; nothing is started and nothing said."""
    from fastkiq import api
    from fastkiq.config import Config
    from fastkiq.options import is_queue
    from fastkiq.settings import Rank

    given = context.params
    try:
        config = Config(connect_timeout=_PATIENCE, redis_timeout=_PATIENCE)
        if given.get("environment"):
            config.put("environment", given["environment"], source="-e", rank=Rank.COMMAND_LINE)
        config.load(given.get("config_file"))
        if config.is_embedded(given.get("redis_url")):
            return []
        names = [each.name for each in api.queues(api.connect(config, url=given.get("redis_url")))]
    except Exception:  # whatever it is, it is told when the command runs
        return []
    # What a shell might read in another way is not offered.
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and is_queue(name)]
