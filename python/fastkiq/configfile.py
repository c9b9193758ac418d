"""Reading a configuration file: fastkiq.toml, pyproject.toml, or a sidekiq.yml.

In a TOML file a table that is no setting is the section of the environment it is named after.
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastkiq import sidekiq_yml
from fastkiq.cron import schedule
from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.printable import shown
from fastkiq.settings import Rank

if TYPE_CHECKING:
    from fastkiq.config import Config

MAX_BYTES = 1_048_576


def find(folder: Path) -> Path | None:
    """The file that applies when none is named: fastkiq.toml, else a pyproject.toml with [tool.fastkiq]."""
    own = folder / "fastkiq.toml"
    if own.is_file():
        return own
    shared = folder / "pyproject.toml"
    if not shared.is_file():
        return None
    try:
        with shared.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        found = _tool_table(tomllib.loads(data.decode("utf-8"))) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None  # somebody else's file: whoever needs it will complain
    return None if found is None else shared


def load(config: "Config", path: Path) -> None:
    """Puts the file's settings into `config`. Of a TOML file every section is checked, also of other environments.

    Raises ConfigError that names file and key.
    """
    from fastkiq.config import SETTINGS

    text = _text(path)
    if path.suffix == ".toml":
        _load_toml(config, path, _toml(path, text))
    elif path.suffix in (".yml", ".yaml"):
        contents = sidekiq_yml.read(path, text, config.environment, list(SETTINGS))
        config.sections = contents.sections
        config.notices = contents.notices
        config.update(contents.section, source=f"{path} [{config.environment}]", rank=Rank.SECTION)
        config.update(contents.values, source=str(path), rank=Rank.FILE)
    elif path.suffix == ".erb":
        raise ConfigError(f"{path}: is an ERB template, which only Ruby can run: write what it makes to a .yml")
    else:
        raise ConfigError(f"{path}: a configuration file ends in .toml, .yml or .yaml")


def _load_toml(config: "Config", path: Path, table: Any) -> None:
    from fastkiq.config import SETTINGS

    values, sections = _divide(table, str(path), set(SETTINGS))
    named = values.get("environment")
    environment = named if isinstance(named, str) else config.environment
    if config.source("environment") != "default":
        environment = config.environment
    config.sections = list(sections)
    for name, section in sections.items():
        inner, deeper = _divide(section, f"{path} [{name}]", set(SETTINGS))
        for key in deeper:
            raise ConfigError(f"{path} [{name}]: unknown setting {shown(key)}{suggestion(key, SETTINGS)}")
        for key, value in inner.items():
            SETTINGS[key].read(value, f"{path} [{name}]")
        if name == environment:
            if "schedule" in inner:
                inner["schedule"] = schedule.merged(values.get("schedule", {}), inner["schedule"])
            config.update(inner, source=f"{path} [{name}]", rank=Rank.SECTION)
    config.update(values, source=str(path), rank=Rank.FILE)


def _divide(table: Any, source: str, known: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings, and sections of environments."""
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: must hold settings by name, not {type(table).__name__}")
    values: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for key, value in table.items():
        if not isinstance(key, str):
            raise ConfigError(f"{source}: {shown(key)} is no name of a setting")
        if key in known:
            values[key] = value
        elif isinstance(value, dict):
            sections[key] = value
        else:
            raise ConfigError(f"{source}: unknown setting {shown(key)}{suggestion(key, list(known))}")
    return values, sections


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def _toml(path: Path, text: str) -> Any:
    try:
        parsed = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also an int of more than 4,300 digits
        raise ConfigError(f"{path}: is no TOML: {error}") from None
    if path.name != "pyproject.toml":
        return parsed
    table = _tool_table(parsed)
    if table is None:
        raise ConfigError(f"{path}: has no table [tool.fastkiq]")
    return table


def _tool_table(parsed: dict[str, Any]) -> Any:
    tool = parsed.get("tool")
    return tool.get("fastkiq") if isinstance(tool, dict) else None
