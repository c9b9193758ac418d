"""Generated parts of documents: between `<!-- name -->` and `<!-- /name -->`, with prose around them that stays."""

from collections.abc import Iterable, Sequence
from pathlib import Path


def fill(path: Path, name: str, content: str) -> None:
    """Replaces what is between the marks; ValueError when they are not there."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = path.read_text().partition(opening)
    _, closed, after = rest.partition(closing)
    if not found or not closed:
        raise ValueError(f"{path} has no place for this: {opening} ... {closing}")
    path.write_text(f"{before}{opening}\n{content.strip()}\n{closing}{after}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(each.replace("|", "\\|") for each in line) + " |" for line in lines)
