"""The navigation names pages that may not be there yet: they are left out until they are."""

import logging
import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.navigation")
missing: set[str] = set()


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Runs after the other hooks have made their pages."""
    missing.clear()
    config.nav = _present(config.nav or [], files)
    if missing:
        log.info("not written yet: %s", ", ".join(sorted(missing)))
    return files


on_files.mkdocs_priority = -100  # type: ignore[attr-defined]


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to such a page is plain text."""
    return re.sub(
        r"\[([^\]]+)\]\(([^)#\s]+)(#[^)]*)?\)", lambda found: found[1] if found[2] in missing else found[0], markdown
    )


def _present(items: list[Any], files: Files) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        title, value = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        if isinstance(value, list):
            value = _present(value, files)
            present = bool(value)
        elif value.endswith(".md"):
            present = files.get_file_from_path(value) is not None
            if not present:
                missing.add(value)
        else:  # a folder of generated pages
            uris = (file.src_uri for file in files.documentation_pages())
            pages = sorted(
                (uri for uri in uris if uri.startswith(f"{value}/")), key=lambda uri: uri.removesuffix(".md")
            )
            value = pages
            present = bool(pages)
        if present:
            kept.append(value if title is None else {title: value})
    return kept
