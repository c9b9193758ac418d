"""What the repository shows at its root belongs to the site too, and links that lead out of docs/ find it there.

On GitHub `docs/x.md` of the README and `../README.md` of a page work as they are; the site has docs/ alone.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "examples.md",
}
ORIGINS = {page: origin for origin, page in PAGES.items()}
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?(\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The pages, and each single file that a page links to, such as a patch."""
    for origin, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / origin).read_text()))
    for file in list(files.documentation_pages()):
        if file.src_uri.startswith("reference/"):
            continue
        for found in LINK.finditer(file.content_string):
            path = _in_repository(file.src_uri, found[2])
            if not path.startswith("docs/") and path not in PAGES and (ROOT / path).is_file():
                files.append(File.generated(config, f"files/{path}", content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has them."""
    here = page.file.src_uri

    def moved(found: re.Match[str]) -> str:
        path = _in_repository(here, found[2])
        target = path.removeprefix("docs/") if path.startswith("docs/") else PAGES.get(path, f"files/{path}")
        if files.get_file_from_path(target) is None:
            return found[0]
        return f"{found[1]}{posixpath.relpath(target, posixpath.dirname(here) or '.')}{found[3] or ''}{found[4]}"

    return LINK.sub(moved, markdown)


def _in_repository(page: str, link: str) -> str:
    origin = ORIGINS.get(page, f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
