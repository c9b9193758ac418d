"""Reading a configuration file: fastkiq.toml, pyproject.toml, or a sidekiq.yml without ERB.

A table that is no setting is the section of the environment it is named after.
"""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.printable import shown
from fastkiq.settings import Rank

if TYPE_CHECKING:
    from fastkiq.config import Config

MAX_BYTES = 1_048_576
MAX_NODES = 10_000
"""Values that a YAML file may hold once its aliases are followed: ten lines of them can stand for a billion."""
LONGEST_NUMBER = 1_000

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
        with shared.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        found = _tool_table(tomllib.loads(data.decode("utf-8"))) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None  # somebody else's file: whoever needs it will complain
    return None if found is None else shared


def load(config: "Config", path: Path) -> None:
    """Puts the file's settings into `config`. Every section is checked, also of other environments.

    Raises ConfigError that names file and key.
    """
    from fastkiq.config import SETTINGS

    values, sections = _divide(_read(path), str(path), set(SETTINGS))
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
            raise ConfigError(f"{source}: unknown setting {shown(key)}{suggestion(key, list(known))}")
    return values, sections


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
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


def _yaml(path: Path, text: str) -> Any:
    if "<%" in text:
        line = text[: text.index("<%")].count("\n") + 1
        raise ConfigError(f"{path}: line {line} contains an ERB tag (<%), which only Ruby can run: write its value")
    try:
        yaml: Any = import_module("yaml")  # not imported outright: few need it, and it carries no types
    except ImportError:
        raise ConfigError(f"{path}: reading YAML needs PyYAML: pip install pyyaml") from None
    try:
        parsed = _safely(yaml, text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # Not the whole message: it quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        # What we say ourselves has no line and quotes nothing.
        problem = getattr(error, "problem", None) or (str(error) if type(error) is ValueError else type(error).__name__)
        raise ConfigError(f"{path}: is no YAML: {where}{' '.join(problem.split())}") from None
    return {} if parsed is None else _without_colons(parsed)


def _safely(yaml: Any, text: str) -> Any:
    """The document, by the loader that makes plain values only; looked at before, since aliases make much of little."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MAX_NODES:
            raise ValueError(
                f"it holds more than {MAX_NODES:,} values once its aliases are followed, or a very long number"
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for, each alias counted as what it refers to. A circle counts as too many, and so
    does a long number: `1:1:1:...`, by base 60, takes time by the square of its length (a megabyte: 46 s)."""
    if isinstance(node.value, str):
        return 1 if node.tag.endswith(":str") or len(node.value) <= LONGEST_NUMBER else MAX_NODES + 1
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # until it is known: whoever meets it inside of itself
        inner = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(node)]


def _without_colons(value: Any) -> Any:
    """Ruby's symbols (`:concurrency:`) as plain names."""
    if isinstance(value, str):
        return value.removeprefix(":")
    if isinstance(value, list):
        return [_without_colons(each) for each in value]
    if isinstance(value, dict):
        return {_without_colons(key): _without_colons(each) for key, each in value.items()}
    return value
