"""`fastkiq process`: the command that runs jobs."""

import faulthandler
import os
import sys
import traceback
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastkiq import _core, registry
from fastkiq.backtrace import users_part
from fastkiq.boot_checks import BootError
from fastkiq.capsules import served
from fastkiq.cli.completion import files, words
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.config import Config
from fastkiq.errors import FastkiqError
from fastkiq.hints import for_loaded, for_nothing
from fastkiq.launcher import Launcher
from fastkiq.loader import load
from fastkiq.logging import colourful, logger, setup
from fastkiq.printable import counted, printable
from fastkiq.process import Process
from fastkiq.settings import Queues

if TYPE_CHECKING:
    from fastkiq.reload.link import Link

_EXAMPLES = """\b
Examples:
  fastkiq process app.jobs                    serves the queue "default"
  fastkiq process jobs.py -c 50 -v            logs the start and end of all
  fastkiq process app/ -q high -q low         strict order, high first
  fastkiq process app/ -q high,3 -q low,1     high first three times of four
  fastkiq process jobs.py --redis embedded    for development, no Redis
  fastkiq process app/ --reload -v            for development, starts anew
                                              whenever a file is saved
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
@click.option("--reload", is_flag=True, help="Start anew whenever the source changes, for development.")
@redis_options
def process(
    targets: tuple[str, ...], queues: tuple[str, ...], verbose: bool, drain: float | None, reload: bool, **given: Any
) -> int:
    """Runs the jobs of the workers that the modules, files or folders define, until it is stopped."""
    if drain is not None and not 0 <= drain < 1e9:
        raise click.BadParameter("the seconds must be between 0 and 1e9", param_hint="--drain")
    if drain is not None and reload:
        raise click.UsageError("--reload runs until it is stopped, --drain until all is done: take one of them")
    command = [sys.executable, *sys.orig_argv[1:]]  # before a password in it is blanked
    link = _link() if reload else None
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
        raise click.UsageError(
            f"nothing to load: name the module, file or folder that defines your workers{for_nothing()}"
        )
    if reload and link is None:
        return _supervise(command, config, given["config_file"])
    try:
        for target in (*django, *config.require):
            load(target)
    finally:
        if link is not None:
            link.loaded()
    setup(None if config.log_format == "auto" else config.log_format, config.log_level.upper())
    with suppress(AttributeError, OSError, RuntimeError, ValueError):  # stderr may be closed or no file
        faulthandler.enable()  # a crash of the interpreter shows what every thread ran
    if not registry.entries():
        logger.warning(
            "no workers are defined in %s: every job will wait in retry%s",
            *(printable(", ".join(config.require)), printable(for_loaded(config.require))),
        )
    modes = sys.modules.get("fastkiq.testing.modes")
    if modes is not None and modes.opened():
        logger.warning("a mode of fastkiq.testing is on in this process: what its jobs enqueue never reaches Redis")
    return _run(config, drain, link)


def _django() -> list[str]:
    """What sets up the Django project that the environment names, as Django's own commands do it."""
    named = os.environ.get("DJANGO_SETTINGS_MODULE") and find_spec("django") is not None
    return ["fastkiq.contrib.django.project"] if named else []


def _link() -> "Link | None":
    from fastkiq.reload.link import link

    return link()


def _supervise(command: list[str], config: Config, config_file: str | None) -> int:
    if find_spec("watchfiles") is None:
        raise click.ClickException("--reload needs watchfiles: pip install 'fastkiq[reload]'")
    from fastkiq import configfile
    from fastkiq.reload.folders import Folders
    from fastkiq.reload.supervisor import Supervisor

    file = Path(config_file) if config_file is not None else configfile.find(Path.cwd())
    return Supervisor(command, Folders(Path.cwd(), config.require, file)).run()


def _run(config: Config, drain: float | None, link: "Link | None") -> int:
    foreground = Process(config, drain)

    def booted(launcher: Launcher) -> None:
        if link is None or not link.again:
            _banner(launcher)
        if link is not None:
            link.ready(counted(len(registry.entries()), "worker"))

    try:
        return foreground.run(booted, click.echo)
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
        *(f"       {dim}capsule{off}  {each}" for each in beside),
        f"       {dim}pid{off}      {os.getpid()}; Ctrl-C stops, twice at once",
    ]
    click.echo("\n" + "\n".join(rows) + "\n", err=True)
