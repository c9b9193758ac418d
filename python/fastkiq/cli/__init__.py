"""The command line. Each command lives in a module of its own, loaded when it is called."""

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final, NoReturn

import click

from fastkiq import _core
from fastkiq.boot_checks import BootError
from fastkiq.errors import FastkiqError, RedisConnectionError, RedisError
from fastkiq.loader import LoadError
from fastkiq.options import suggestion
from fastkiq.printable import printable

_COMMANDS: Final = {
    "process": ("process", "Run jobs"),
    "push": ("push", "Enqueue jobs"),
    "stats": ("stats", "Totals, sizes and the state of Redis"),
    "queues": ("queues", "Queues with their sizes and latencies, and their jobs"),
    "queue": ("queues", "Pause, resume and clear queues"),
    "busy": ("busy", "Processes, and the jobs that run now; quiet, stop and dump"),
    "retries": ("sets", "Jobs that failed and wait to run again; retry, kill and delete"),
    "scheduled": ("sets", "Jobs that wait for their time; enqueue, kill and delete"),
    "dead": ("sets", "Jobs that failed for the last time; retry and delete"),
    "jobs": ("jobs", "Everything about one job"),
    "web": ("web", "See and steer it in a browser"),
    "top": ("top", "All of it in a terminal UI, live"),
    "doctor": ("doctor", "Look for what would lose jobs"),
    "recover": ("recover", "Put back what dead processes hold"),
    "cron": ("cron", "Recurring jobs: list, pause, run now, add"),
    "mark": ("mark", "Mark a deploy in the graphs of metrics"),
    "bench": ("bench", "Measure fastkiq on this machine"),
    "completion": ("completion", "Completion for your shell"),
}


class _Commands(click.Group):
    """Lists commands without loading them: a worker process must not carry what only `stats` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"fastkiq.cli.{_COMMANDS[cmd_name][0]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no such command: {args[0]}{suggestion(args[0], _COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_core.__version__, "-V", "--version", message="fastkiq %(version)s")
def commands() -> None:
    """Simple, fast, durable background jobs.

    \b
    fastkiq process app.jobs                      run the jobs of app/jobs.py
    fastkiq push app.jobs.HardWorker '"bob"' 5    enqueue one
    fastkiq stats                                 see what happened

    `fastkiq COMMAND --help` tells more. Redis is found by --redis, FASTKIQ_REDIS_URL, REDIS_URL, or the
    configuration file; `embedded` runs one here, for development.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 done, 1 failed, 2 a mistake in how it was called, 130 interrupted."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know fewer characters than Redis has
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """As `main`, but answers the exit code. A user's mistake takes one line, never a traceback of ours."""
    try:
        answer: Any = commands.main(arguments, prog_name="fastkiq", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "fastkiq"
        return _complain(error.format_message().rstrip("."), 2, f"see {where} --help")
    except click.ClickException as error:
        return _complain(error.format_message(), 1)
    except LoadError as error:
        if error.report is not None:
            click.echo(error.report, err=True)
        return _complain(str(error), 2 if error.report is None else 1)
    except RedisConnectionError as error:
        return _complain(str(error), 1, "is Redis running? --redis URL says where; --redis embedded needs none")
    except (RedisError, BootError) as error:
        return _complain(str(error), 1)
    except FastkiqError as error:
        return _complain(str(error), 2)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        # The reader has left (`| head`): a second error at the interpreter's last flush would be about nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(message: str, code: int, hint: str = "") -> int:
    # A URL in the wrong place comes back with the complaint, but not its password.
    message = re.sub(r"://[^\s@]*@", "://***@", message)
    click.echo(f"fastkiq: {printable(message, 2_000)}{f' ({hint})' if hint else ''}", err=True)
    return code
