"""`fastkiq process`: the command that runs jobs."""

import faulthandler
import os
import sys
import traceback
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import click

from fastkiq import _core, registry
from fastkiq.backtrace import users_part
from fastkiq.boot_checks import BootError
from fastkiq.capsules import served
from fastkiq.cli.completion import files, words
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.config import Config
from fastkiq.errors import FastkiqError
from fastkiq.launcher import Launcher
from fastkiq.loader import load
from fastkiq.logging import colourful, logger, setup
from fastkiq.printable import counted, printable
from fastkiq.process import Process
from fastkiq.settings import Queues

_EXAMPLES = """\b
Examples:
  fastkiq process app.jobs                    serves the queue "default"
  fastkiq process jobs.py -c 50 -v            logs the start and end of all
  fastkiq process app/ -q high -q low         strict order, high first
  fastkiq process app/ -q high,3 -q low,1     high first three times of four
  fastkiq process jobs.py --redis embedded    for development, no Redis
  fastkiq process jobs.py --drain=60          ends when nothing is left that
                                              falls due within a minute

Signals: TERM or INT stops within the timeout, a second INT at once (no job is lost), TSTP takes no more jobs, TTIN
logs what every thread does.

Exit codes: 0 stopped, 1 could not start, 2 called wrongly, 130 stopped at once.
"""


class _Process(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A bare `--drain` must not take the next word for its seconds, nor a number there be taken for a module."""
        for word, following in pairwise(args):
            if word == "--drain" and _is_number(following) and not os.path.exists(following):
                raise click.UsageError(f"the seconds come with an equals sign: --drain={following}", ctx)
        return super().parse_args(ctx, ["--drain=0" if word == "--drain" else word for word in args])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@click.command(cls=_Process, epilog=_EXAMPLES)
@click.argument("targets", nargs=-1, metavar="[MODULE|FILE|FOLDER]...", shell_complete=files)
@click.option(
    "-q", "--queue", "queues", multiple=True, metavar="NAME[,WEIGHT]", help="Queue to serve; repeatable, in order."
)
@click.option("-c", "--concurrency", type=int, help="Most jobs on threads at once (25).")
@click.option("--async-concurrency", type=int, help="Most jobs on the event loop at once (100).")
@click.option("-t", "--timeout", type=float, help="Seconds that running jobs get to end at a stop (25).")
@click.option("-g", "--tag", metavar="TAG", help="Tells this process from others (the folder's name).")
@click.option("-v", "--verbose", is_flag=True, help="Log the start and end of every job.")
@click.option(
    "--log-format",
    metavar="FORMAT",
    shell_complete=words("auto", "pretty", "plain", "json"),
    help="auto, pretty, plain or json.",
)
@click.option(
    "--fetch",
    metavar="HOW",
    shell_complete=words("reliable", "basic"),
    help="reliable (default), or basic: plain pops, as Sidekiq.",
)
@click.option(
    "--health", metavar="[HOST:]PORT", help="Serve /live, /ready and /metrics for supervisors, on loopback if no HOST."
)
@click.option(
    "--drain", type=float, metavar="[=SECONDS]", help="Exit when nothing is left that falls due within SECONDS."
)
@redis_options
def process(targets: tuple[str, ...], queues: tuple[str, ...], verbose: bool, drain: float | None, **given: Any) -> int:
    """Runs the jobs of the workers that the modules, files or folders define, until it is stopped."""
    if drain is not None and not 0 <= drain < 1e9:
        raise click.BadParameter("the seconds must be between 0 and 1e9", param_hint="--drain")
    config = configured(
        given["redis_url"],
        given["config_file"],
        given["environment"],
        queues=("-q", list(queues) or None),
        concurrency=("-c", given["concurrency"]),
        async_concurrency=("--async-concurrency", given["async_concurrency"]),
        timeout=("-t", given["timeout"]),
        tag=("-g", given["tag"]),
        log_level=("-v", "debug" if verbose else None),
        log_format=("--log-format", given["log_format"]),
        fetch=("--fetch", given["fetch"]),
        health=("--health", given["health"]),
        require=("MODULE", list(targets) or None),
    )
    django = _django()
    if not config.require and not django:
        raise click.UsageError("nothing to load: name the module, file or folder that defines your workers")
    for target in (*django, *config.require):
        load(target)
    setup(None if config.log_format == "auto" else config.log_format, config.log_level.upper())
    with suppress(AttributeError, OSError, RuntimeError, ValueError):  # stderr may be closed or no file
        faulthandler.enable()  # a crash of the interpreter shows what every thread ran
    if not registry.entries():
        logger.warning(
            "no workers are defined in %s: every job will wait in retry", printable(", ".join(config.require))
        )
    return _run(config, drain)


def _django() -> list[str]:
    """What sets up the Django project that the environment names, as Django's own commands do it."""
    named = os.environ.get("DJANGO_SETTINGS_MODULE") and find_spec("django") is not None
    return ["fastkiq.contrib.django.project"] if named else []


def _run(config: Config, drain: float | None) -> int:
    foreground = Process(config, drain)
    try:
        return foreground.run(_banner, click.echo)
    except FastkiqError:
        raise
    except Exception as error:
        if foreground.started:
            raise
        # A startup hook's: the user's own traceback says most.
        text = "".join(traceback.format_exception(type(error), error, users_part(error)))
        click.echo(text.rstrip("\n"), err=True)
        raise BootError("a startup hook failed, so nothing was started") from None


def _queues(queues: Queues) -> str:
    weighted = any(weight for _, weight in queues)
    return ", ".join(f"{name} x{weight}" if weighted else name for name, weight in queues)


def _banner(launcher: Launcher) -> None:
    config = launcher.config
    default, *others = served(config)
    queues = _queues(default.queues)
    order = "" if any(weight for _, weight in default.queues) or len(default.queues) == 1 else "  (in this order)"
    beside = [f"{each.name}: {_queues(each.queues)}, up to {counted(each.concurrency, 'thread')}" for each in others]
    url = printable(launcher.server.url)
    workers = counted(len(registry.entries()), "worker")
    threads = counted(default.concurrency, "thread")
    if not sys.stderr.isatty():
        logger.info(
            "ready: fastkiq %s | pid %d | %s | %s | queues: %s | %s%s",
            *(_core.__version__, os.getpid(), threads, workers, queues, url, "".join(f" | {each}" for each in beside)),
        )
        return
    colours = colourful(sys.stderr)
    bolt, strong, dim, off = ("\x1b[1;33m", "\x1b[1m", "\x1b[2m", "\x1b[0m") if colours else ("", "", "", "")
    rows = [
        f"{bolt}  __/{off}  {strong}fastkiq{off} {_core.__version__}",
        f"{bolt} /_ {off}   {dim}redis{off}    {url}",
        f"{bolt}  / {off}   {dim}queues{off}   {queues}{order}",
        f"{bolt} /  {off}   {dim}runs{off}     {workers}, up to {threads}",
        *(f"        {dim}capsule{off}  {each}" for each in beside),
        f"        {dim}pid{off}      {os.getpid()}; Ctrl-C stops, twice at once",
    ]
    click.echo("\n" + "\n".join(rows) + "\n", err=True)
