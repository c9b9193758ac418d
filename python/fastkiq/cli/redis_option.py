"""`--redis`, `-C` and `-e`, which every command that talks to Redis takes."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastkiq import _core
from fastkiq import config as configuration
from fastkiq.cli.completion import files, words
from fastkiq.config import Config
from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.printable import printable
from fastkiq.settings import Rank

F = TypeVar("F", bound=Callable[..., Any])


def redis_options(command: F) -> F:
    """Adds the three options."""
    for option in (
        click.option("-e", "--environment", metavar="NAME", help="Section of the configuration file that applies."),
        click.option(
            "-C",
            "--config",
            "config_file",
            metavar="FILE",
            shell_complete=files,
            help="Configuration file (TOML, or a sidekiq.yml).",
        ),
        click.option(
            "--redis",
            "redis_url",
            metavar="URL",
            shell_complete=words("embedded", "redis://", "rediss://", "redis+sentinel://", "unix://"),
            help="redis, rediss, unix, redis+sentinel URL, or: embedded.",
        ),
    ):
        command = option(command)
    return command


def configured(redis_url: str | None, config_file: str | None, environment: str | None, **settings: Any) -> Config:
    """The process's configuration: the command line's settings over the file's. None = not given.

    Settings carry the option they came by: `concurrency=("-c", 5)`. Raises UsageError for those that the command line
    has wrong, ConfigError for the file's.
    """
    config = configuration.default()
    given = {"redis_url": ("--redis", redis_url), "environment": ("-e", environment), **settings}
    for key, (option, value) in given.items():
        if value is None:
            continue
        try:
            config.put(key, value, source=option, rank=Rank.COMMAND_LINE)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
    config.load(config_file)
    if environment is not None and environment not in (*config.sections, Config.environment.default):
        _mention_sections(environment, config.sections)
    if redis_url is not None:
        hide_password(redis_url)
    if config.source("redis_url") == "default":
        _mention_django(config)
    return config


def _mention_sections(environment: str, sections: list[str]) -> None:
    """An environment without a section is no mistake; one that is spelt like none of those that are there may be."""
    if sections:
        name = printable(environment, 80)
        there = printable(", ".join(sections), 200)
        hint = suggestion(environment, sections)
        text = f"no such section in the configuration file, so none applies; there: {there}{hint}"
        click.echo(f"fastkiq: -e {name}: {text}", err=True)


def _mention_django(config: Config) -> None:
    """This command knows nothing of the settings of a Django project, and so may ask another Redis than meant."""
    from fastkiq.hints import for_django

    context = click.get_current_context()
    if context.info_name == "process" and os.environ.get("DJANGO_SETTINGS_MODULE"):
        return  # it sets the project up
    better = for_django(context.command_path)
    if better:
        text = f"nobody has said where Redis is, so it is {printable(config.safe_url())}"
        click.echo(f"fastkiq: {text}; with the settings of the Django project: {better}", err=True)


def hide_password(url: str) -> None:
    """Other users of the machine read command lines: a URL with a secret is blanked there, and a better way shown."""
    parsed = _core.parse_url(url)
    if not (parsed["password"] or parsed["sentinel_password"]) or not any(url in word for word in sys.argv):
        return
    safe = parsed["safe"]
    for arguments in (sys.argv, sys.orig_argv):  # error trackers send them along
        arguments[:] = [word.replace(url, safe) for word in arguments]
    hidden = _core.blank_title(url)
    state = "blanked in this process's command line" if hidden else "visible to everybody in the list of processes"
    click.echo(f"fastkiq: the password given by --redis is {state}; FASTKIQ_REDIS_URL keeps it out of there", err=True)
