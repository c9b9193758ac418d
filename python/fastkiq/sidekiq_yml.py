"""A sidekiq.yml as Sidekiq's command line reads it, but for ERB: symbols, aliases, environments, capsules."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastkiq.cron import schedule
from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.printable import shown

MAX_NODES: Final = 10_000
"""Values that a file may hold once its aliases are followed: ten lines of them can stand for a billion."""
LONGEST_NUMBER: Final = 1_000
CONCURRENCY: Final = 5
"""Sidekiq's default, where neither the file nor RAILS_MAX_THREADS says more."""

_SILENT: Final = {
    "average_scheduled_poll_interval",
    "daemon",
    "index",
    "logfile",
    "max_iteration_runtime",
    "on_complex_arguments",
    "pidfile",
    "redis_idle_timeout",
    "require",  # names Ruby's files
    "strict",
}
"""Keys that mean nothing here and do no harm."""


class Contents(NamedTuple):
    """Settings of the whole file, those of the environment's section, and what is to be said about the rest."""

    values: dict[str, Any]
    section: dict[str, Any]
    sections: list[str]
    notices: list[str]


def read(path: Path, text: str, environment: str, known: list[str]) -> Contents:
    """Reads the text of a file. Raises ConfigError that names file and key.

    Unlike in a fastkiq.toml a key that is no setting is no mistake, since it may be meant for Ruby or for a gem: it is
    mentioned, unless it looks like a misspelt setting.
    """
    table = _parse(path, text)
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: must hold settings by name, not {type(table).__name__}")
    section = table.pop(environment, None)
    section = {} if section is None else section
    if not isinstance(section, dict):
        raise ConfigError(f"{path} [{environment}]: must hold settings by name, not {type(section).__name__}")
    sections = [key for key, value in table.items() if isinstance(value, dict) and key not in {*known, "scheduler"}]
    notices: list[str] = []
    values = _settings(table, str(path), known, notices)
    own = _settings(section, f"{path} [{environment}]", known, notices)
    if "concurrency" not in values:
        values["concurrency"] = _threads()
    if "schedule" in own:
        own["schedule"] = schedule.merged(values.get("schedule", {}), own["schedule"])
    return Contents(values, own, [*sections, *([environment] if section else [])], notices)


def _threads() -> int:
    threads = os.environ.get("RAILS_MAX_THREADS", "")
    return int(threads) if _is_digits(threads) else CONCURRENCY


def _settings(table: dict[Any, Any], source: str, known: list[str], notices: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in table.items():
        if not isinstance(key, str):
            raise ConfigError(f"{source}: {shown(key)} is no name of a setting")
        if key == "verbose":
            if value:
                values.setdefault("log_level", "debug")
        elif key in _SILENT:
            continue
        elif key == "queues":
            values[key] = _queues(value)
        elif key == "capsules" and isinstance(value, dict):
            values[key] = {str(name) if isinstance(name, int) else name: _capsule(each) for name, each in value.items()}
        elif key == "scheduler" and isinstance(value, dict):  # where sidekiq-scheduler has it since version 5
            if value.get("enabled", True) and value.get("schedule") is not None:
                values["schedule"] = value["schedule"]
        elif key == "schedule" and value is None:
            continue
        elif key in known:
            values[key] = value
        elif not isinstance(value, dict):  # the sections of other environments, and those of gems
            if hint := suggestion(key, known):
                raise ConfigError(f"{source}: unknown setting {shown(key)}{hint}")
            notices.append(f"{source}: {shown(key)} means nothing to fastkiq")
    return values


def _capsule(given: Any) -> Any:
    return {**given, "queues": _queues(given["queues"])} if isinstance(given, dict) and "queues" in given else given


def _queues(given: Any) -> Any:
    """A single name counts as a list, and a weight in quotes as a number."""
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list):
        return given
    return [
        [each[0], int(each[1])] if isinstance(each, list) and len(each) == 2 and _is_digits(each[1]) else each
        for each in listed
    ]


def _is_digits(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6


def _parse(path: Path, text: str) -> Any:
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
