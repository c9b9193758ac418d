"""The pages of Reference: public names from their docstrings, settings from `Config`, commands from click."""

import ast
import html
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import fastkiq
from fastkiq import capsules
from fastkiq.cli import commands
from fastkiq.config import SETTINGS, VARIABLES

PACKAGE = Path(fastkiq.__file__).parent
FIRST = ("Worker", "WorkerOptions", "job")  # what everybody needs; then by the alphabet
MODULES = ("fastkiq", "fastkiq.api", "fastkiq.deploy", "fastkiq.testing", "fastkiq.web")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Makes the pages anew at each build."""
    modules = dict(public_modules())
    pages = {f"python/{module}": python_page(module, names) for module, names in modules.items()}
    pages["settings"] = settings_page()
    pages["cli"] = commands_page()
    pages["index"] = index_page(list(modules))
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def public_modules() -> Iterator[tuple[str, list[str]]]:
    """Each public module with its public names. Nothing is imported: a framework may not be here."""
    contrib = sorted(PACKAGE.glob("contrib/[!_]*"))
    found = [*MODULES, *(f"fastkiq.contrib.{path.stem}" for path in contrib if _source(path) is not None)]
    for module in found:
        source = _source(PACKAGE.parent.joinpath(*module.split(".")))
        if source is not None:
            yield module, _public_names(source)


def _source(path: Path) -> Path | None:
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _public_names(source: Path) -> list[str]:
    """Those of `__all__`; without one, the functions and classes that the module defines."""
    body = ast.parse(source.read_text()).body
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.AnnAssign(target=ast.Name(id="__all__")):
                return list(ast.literal_eval(statement.value or ast.List([])))
    defined = (each.name for each in body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)))
    return [name for name in defined if not name.startswith("_")]


def index_page(modules: list[str]) -> str:
    """What there is."""
    python = "\n".join(f"- [`{module}`](python/{module}.md)" for module in modules)
    return (
        f"# Reference\n\n## Python\n\n{python}\n\n## Elsewhere\n\n- [Settings](settings.md)\n- [Command line](cli.md)\n"
    )


def python_page(module: str, names: list[str]) -> str:
    """The module's docstring, then each name: what one works with, then what may go wrong."""
    shown = sorted((name for name in names if name != "__version__"), key=lambda name: name not in FIRST)
    errors = [name for name in shown if module == "fastkiq" and _is_error(getattr(fastkiq, name))]
    parts = [f"# `{module}`", f"::: {module}", "    options: {members: false, show_root_heading: false}"]
    parts += _directives(module, [name for name in shown if name not in errors])
    if errors:
        parts += ["", "## Errors and verdicts", *_directives(module, errors, level=3)]
    return "\n".join(parts) + "\n"


def _directives(module: str, names: list[str], level: int = 2) -> list[str]:
    lines: list[str] = []
    for name in names:
        # The settings among the attributes of Config have a page of their own.
        silent = ", show_if_no_docstring: false" if name == "Config" else ""
        options = f"heading: {module}.{name}, heading_level: {level}{silent}"
        lines += ["", f"::: {place_of(module, name)}", f"    options: {{{options}}}"]
    return lines


def place_of(module: str, name: str) -> str:
    """Where mkdocstrings finds a public name: there, unless a module of that name, as `job.py`, hides it."""
    folder = PACKAGE.parent.joinpath(*module.split("."))
    source = _source(folder)
    if source is None or _source(folder / name) is None:
        return f"{module}.{name}"
    imports = (each for each in ast.parse(source.read_text()).body if isinstance(each, ast.ImportFrom))
    return next(f"{each.module}.{name}" for each in imports if name in [alias.name for alias in each.names])


def _is_error(value: object) -> bool:
    return isinstance(value, fastkiq.Verdict) or (isinstance(value, type) and issubclass(value, BaseException))


def settings_page() -> str:
    """Every setting: what it may be comes from the check itself, by what it says of a value that fits nothing."""
    rows = [
        f"| `{name}` | `{_toml(setting.default)}` | {setting.__doc__} {_bounds(setting)} |"
        for name, setting in SETTINGS.items()
    ]
    variables = [f"| `{key}` | {', '.join(f'`{name}`' for name in names)} |" for key, names in VARIABLES.items()]
    own = [f"`{key}`" for key in capsules.KEYS]
    return "\n".join(
        [
            "# Settings",
            "",
            "Keys of `fastkiq.toml`, of `[tool.fastkiq]` in `pyproject.toml`, keywords of `fastkiq.configure()` and",
            "attributes of `fastkiq.Config`: the same names everywhere. What is given first here wins: command line,",
            "`configure()`, environment variables, the file's section for the environment, the file, the default.",
            "",
            "| setting | default | |",
            "|---|---|---|",
            *rows,
            "",
            "## Environment variables",
            "",
            "The first that is set wins.",
            "",
            "| setting | variables |",
            "|---|---|",
            *variables,
            "",
            "## Sections of the file",
            "",
            "A table that is no setting, such as `[production]`, holds settings for the environment of that name.",
            f"`[capsules.NAME]` is a group of queues: {', '.join(own)}. See [capsules](../configuration.md#capsules).",
            "",
        ]
    )


def _bounds(setting: Any) -> str:
    try:
        setting.check(object())
    except (ValueError, TypeError) as reason:
        text = str(reason)
        return f"{text[0].upper()}{text[1:]}.".replace("|", "\\|") if text.startswith("must be") else ""
    return ""


def _toml(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if value == [("default", 0)]:
        return '["default"]'
    return str(value).lower() if isinstance(value, bool) else str(value)


def commands_page() -> str:
    """Every command with its arguments and options, as its own `--help` has them."""
    parts = ["# Command line", "", "`fastkiq COMMAND --help` says the same."]
    with click.Context(commands, info_name="fastkiq") as context:
        for name in commands.list_commands(context):
            command = commands.get_command(context, name)
            assert command is not None
            parts += _command(command, context, name, 2)
    return "\n".join(parts) + "\n"


def _command(command: click.Command, parent: click.Context, name: str, level: int) -> list[str]:
    parts: list[str] = []
    with click.Context(command, parent=parent, info_name=name) as context:
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        parts += ["", f"{'#' * level} `{context.command_path}`", "", "```text", usage, "```", ""]
        parts += _prose(command.help or "")
        records = [record for each in command.params if (record := each.get_help_record(context)) and record[1]]
        if records:
            parts += ["", "| option | |", "|---|---|"]
            parts += [f"| <code>{_cell(option)}</code> | {_cell(meaning)} |" for option, meaning in records]
        if command.epilog:
            parts += ["", *_prose(command.epilog)]
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                child = command.get_command(context, inner)
                if child is not None and not child.hidden:
                    parts += _command(child, context, inner, level + 1)
    return parts


def _prose(text: str) -> list[str]:
    """Paragraphs as click's help has them: one that begins with \\b stands as it is."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            lines += ["```text", *paragraph.splitlines()[1:], "```", ""]
        else:
            lines += [paragraph.replace("|", "\\|").replace("<", "&lt;"), ""]
    return lines


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
