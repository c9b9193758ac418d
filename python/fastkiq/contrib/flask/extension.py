"""`Fastkiq(app)`: settings from `app.config`, the application context around jobs, the command."""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.contrib.flask.command import command
from fastkiq.contrib.flask.context import in_app_context, register
from fastkiq.errors import ConfigError


class Fastkiq:
    """The extension. `Fastkiq(app)`, or `Fastkiq()` and later `init_app(app)`.

    It reads `app.config["FASTKIQ"]`, a dict of settings (those of `fastkiq.configure`), and `FASTKIQ_CONCURRENCY` and
    so on, which win over the dict. Names may be in either case. A process has one configuration of fastkiq: of several
    applications the one that is set up last decides. Raises ConfigError for what is no setting.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Sets the application up. Its jobs run in its context from now on."""
        config = configuration.default()
        config.update(_settings(app), source="app.config")
        if in_app_context not in config.server_middleware:
            config.server_middleware.prepend(in_app_context)
        register(app)
        app.extensions["fastkiq"] = self
        app.cli.add_command(command)

    @property
    def config(self) -> Config:
        """The configuration of this process."""
        return configuration.default()


def _settings(app: Flask) -> dict[str, Any]:
    given = app.config.get("FASTKIQ", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f'app.config["FASTKIQ"] must be a dict of settings, not {type(given).__name__}')
    names = {str(name).lower(): value for name, value in given.items()}
    return {**names, **app.config.get_namespace("FASTKIQ_")}
