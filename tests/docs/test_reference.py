"""Every public name is documented, and stands in the reference."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

from fastkiq.cli import _COMMANDS as COMMANDS
from fastkiq.config import SETTINGS

from .blocks import ROOT
from .hooks import hook

reference = hook("reference")
MODULES = dict(reference.public_modules())
TIMES = {"seconds", "delay", "timeout", "in_", "ttl"}


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    loader = griffe.GriffeLoader(search_paths=[str(ROOT / "python")])
    package = loader.load("fastkiq", submodules=True)
    loader.resolve_aliases(implicit=False, external=False)
    assert isinstance(package, griffe.Module)
    return package


def public(package: griffe.Module, module: str) -> Iterator[tuple[str, griffe.Object]]:
    """The names of the module's `__all__`, and the methods and properties of its classes."""
    for name in MODULES[module]:
        found = package[reference.place_of(module, name).removeprefix("fastkiq.")]
        found = found.final_target if found.is_alias else found
        assert not found.is_module, f"{module}.{name}"
        yield f"{module}.{name}", found
        for key, member in found.members.items() if found.is_class else ():
            if not key.startswith("_") and not member.is_alias and (member.is_function or "property" in member.labels):
                yield f"{module}.{name}.{key}", member


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_says_what_it_is(package: griffe.Module, module: str) -> None:
    silent = [
        path for path, found in public(package, module) if not found.docstring and not path.endswith("__version__")
    ]
    assert silent == []


@pytest.mark.parametrize("module", MODULES)
def test_what_takes_a_time_says_its_unit(package: griffe.Module, module: str) -> None:
    """Seconds are told from milliseconds, in the docstring of what takes them or of its class."""
    silent = []
    for path, found in public(package, module):
        if isinstance(found, griffe.Function) and TIMES & {each.name for each in found.parameters}:
            texts = [each.docstring.value for each in (found, found.parent) if each is not None and each.docstring]
            if not any(word in text for text in texts for word in ("second", "timedelta", "perform_", "page`")):
                silent.append(path)
    assert silent == []


def test_every_public_name_is_in_the_reference(built_site: Path) -> None:
    data = (built_site / "objects.inv").read_bytes()
    listed = {line.split(" ")[0] for line in zlib.decompress(data.split(b"\n", 4)[4]).decode().splitlines()}
    wanted = {reference.place_of(module, name) for module, names in MODULES.items() for name in names}
    assert wanted - listed == {"fastkiq.__version__"}
    text = (built_site / "reference" / "python" / "fastkiq.html").read_text()
    assert 'id="fastkiq.function.job"' in text, "the decorator, and not the module job.py"


def test_every_module_that_fastkiq_offers_is_public() -> None:
    """`fastkiq.x` by attribute, and each contrib."""
    offered = {"fastkiq", "fastkiq.api", "fastkiq.deploy", "fastkiq.web"}
    offered |= {f"fastkiq.contrib.{path.stem}" for path in (ROOT / "python/fastkiq/contrib").glob("[!_]*")}
    assert offered <= set(MODULES)


def test_every_setting_and_command_is_in_the_reference() -> None:
    settings, commands = reference.settings_page(), reference.commands_page()
    for name in SETTINGS:
        assert f"| `{name}` |" in settings
    for name in COMMANDS:
        assert f"## `fastkiq {name}`" in commands
