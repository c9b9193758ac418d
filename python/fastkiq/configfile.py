"""Reading a configuration file: fastkiq.toml, pyproject.toml, or a sidekiq.yml without ERB.

A table that is no setting is the section of the environment it is named after.
"""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.settings import Rank

if TYPE_CHECKING:
    from fastkiq.config import Config

MAX_BYTES = 1_048_576

# Keys of a sidekiq.yml that mean nothing here and do no harm.
_IGNORED = {
    "average_scheduled_poll_interval",
    "daemon",
    "index",
    "logfile",
    "max_iteration_runtime",
    "on_complex_arguments",
    "pidfile",
    "redis_idle_timeout",
    "strict",
}


def find(folder: Path) -> Path | None:
    """The file that applies when none is named: fastkiq.toml, else a pyproject.toml with [tool.fastkiq]."""
    own = folder / "fastkiq.toml"
    if own.is_file():
        return own
    shared = folder / "pyproject.toml"
    if not shared.is_file():
        return None
    try:
        found = _tool_table(tomllib.loads(shared.read_text("utf-8")))
    except (OSError, ValueError):
        return None  # somebody else's file: whoever needs it will complain
    return None if found is None else shared


def load(config: "Config", path: Path) -> None:
    """Puts the file's settings into `config`. Every section is checked, also of other environments.

    Raises ConfigError that names file and key.
    """
    from fastkiq.config import SETTINGS

    values, sections = _divide(_read(path), str(path), set(SETTINGS))
    environment = str(values.get("environment", config.environment))
    if config.source("environment") != "default":
        environment = config.environment
    config.sections = list(sections)
    for name, section in sections.items():
        inner, deeper = _divide(section, f"{path} [{name}]", set(SETTINGS))
        for key in deeper:
            raise ConfigError(f"{path} [{name}]: unknown setting {key!r}{suggestion(key, SETTINGS)}")
        for key, value in inner.items():
            SETTINGS[key].read(value, f"{path} [{name}]")
        if name == environment:
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
            raise ConfigError(f"{source}: {key!r} is no name of a setting")
        if key == "capsules":
            raise ConfigError(f"{source}: capsules are not supported: start one process for each, with its own queues")
        if key == "verbose" and isinstance(value, bool):
            if value:
                values.setdefault("log_level", "debug")
        elif key in known:
            values[key] = value
        elif isinstance(value, dict):
            sections[key] = value
        elif key not in _IGNORED:
            raise ConfigError(f"{source}: unknown setting {key!r}{suggestion(key, list(known))}")
    return values, sections


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    if path.suffix == ".toml":
        return _toml(path, text)
    if path.suffix in (".yml", ".yaml"):
        return _yaml(path, text)
    raise ConfigError(f"{path}: a configuration file ends in .toml, .yml or .yaml")


def _toml(path: Path, text: str) -> Any:
    try:
        parsed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
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


def _yaml(path: Path, text: str) -> Any:
    if "<%" in text:
        line = text[: text.index("<%")].count("\n") + 1
        raise ConfigError(f"{path}: line {line} contains an ERB tag (<%), which only Ruby can run: write its value")
    try:
        yaml: Any = import_module("yaml")  # not imported outright: few need it, and it carries no types
    except ImportError:
        raise ConfigError(f"{path}: reading YAML needs PyYAML: pip install pyyaml") from None
    try:
        parsed = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # Not the whole message: it quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        problem = getattr(error, "problem", None) or type(error).__name__
        raise ConfigError(f"{path}: is no YAML: {where}{' '.join(problem.split())}") from None
    return {} if parsed is None else _without_colons(parsed)


def _without_colons(value: Any, depth: int = 0) -> Any:
    """Ruby's symbols (`:concurrency:`) as plain names."""
    if depth > 20:
        return value  # aliases can refer to themselves
    if isinstance(value, str):
        return value.removeprefix(":")
    if isinstance(value, list):
        return [_without_colons(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {_without_colons(key, depth + 1): _without_colons(each, depth + 1) for key, each in value.items()}
    return value
