"""`fastkiq completion`: scripts for the shells."""

import click
from click.shell_completion import get_completion_class

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
