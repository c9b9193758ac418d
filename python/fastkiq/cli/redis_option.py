"""`--redis`, `-C` and `-e`, which every command that talks to Redis takes."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastkiq import _core
from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.settings import Rank

F = TypeVar("F", bound=Callable[..., Any])


def redis_options(command: F) -> F:
    """Adds the three options."""
    for option in (
        click.option("-e", "--environment", metavar="NAME", help="Section of the configuration file that applies."),
        click.option(
            "-C", "--config", "config_file", metavar="FILE", help="Configuration file (TOML, or a sidekiq.yml)."
        ),
        click.option(
            "--redis", "redis_url", metavar="URL", help="redis, rediss, unix, redis+sentinel URL, or: embedded."
        ),
    ):
        command = option(command)
    return command


def configured(redis_url: str | None, config_file: str | None, environment: str | None, **settings: Any) -> Config:
    """The process's configuration: the command line's settings over the file's. None = not given.

    Settings carry the option they came by: `concurrency=("-c", 5)`. Raises ConfigError.
    """
    config = configuration.default()
    given = {"redis_url": ("--redis", redis_url), "environment": ("-e", environment), **settings}
    for key, (option, value) in given.items():
        if value is not None:
            config.put(key, value, source=option, rank=Rank.COMMAND_LINE)
    config.load(config_file)
    if redis_url is not None:
        hide_password(redis_url)
    return config


def hide_password(url: str) -> None:
    """Other users of the machine read command lines: a URL with a secret is blanked there, and a better way shown."""
    safe = _core.parse_url(url)["safe"]
    if safe == url or not any(url in word for word in sys.argv):
        return
    for words in (sys.argv, sys.orig_argv):  # error trackers send them along
        words[:] = [word.replace(url, safe) for word in words]
    hidden = _core.blank_title(url)
    state = "blanked in this process's command line" if hidden else "visible to everybody in the list of processes"
    click.echo(f"fastkiq: the password given by --redis is {state}; FASTKIQ_REDIS_URL keeps it out of there", err=True)
