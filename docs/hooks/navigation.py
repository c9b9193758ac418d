"""A folder in the navigation stands for the pages in it, which another hook has made."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Runs after the other hooks have made their pages."""
    config.nav = _filled(config.nav or [], files)
    return files


on_files.mkdocs_priority = -100  # type: ignore[attr-defined]


def _filled(items: list[Any], files: Files) -> list[Any]:
    filled: list[Any] = []
    for item in items:
        title, value = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        if isinstance(value, list):
            value = _filled(value, files)
        elif not value.endswith(".md"):
            uris = (file.src_uri for file in files.documentation_pages())
            value = sorted(
                (uri for uri in uris if uri.startswith(f"{value}/")), key=lambda uri: uri.removesuffix(".md")
            )
        filled.append(value if title is None else {title: value})
    return filled
