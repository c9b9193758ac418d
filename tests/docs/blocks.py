"""The code blocks of a page of documentation, with the places where they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<language>[\w+-]*)(?P<rest>.*)")
_TITLE = re.compile(r'title="([^"]+)"')
_FIRST_LINE = re.compile(r"\s*(?:#|//|--) ([\w./-]+\.\w+)\s*$")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
_COMMANDS = r"fastkiq|export|cd|pip|make|python|docker|kubectl|systemctl|curl|\S+/bin/\S+|FASTKIQ_\w+=\S+"
_SHELL = re.compile(rf"^(\$ )?({_COMMANDS}) ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: `line` is that of its first line of code, `page` the path from the repository's root."""

    page: str
    line: int
    language: str
    text: str
    title: str | None = None
    """The file that it shows: by `title="jobs.py"` after the language, or a first line that is only `# jobs.py`."""
    section: int = 0
    """Under which `##` heading of the page it stands."""
    not_run: str | None = None
    """Why it is shown and not run: the comment `<!-- not run: reason -->` before it."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that a reader meets."""
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "examples" / "README.md",
        *sorted(ROOT.glob("docs/*.md")),
    ]


def blocks(path: Path) -> list[Block]:
    """The blocks of one page, in their order."""
    page = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return list(read(path.read_text(), page))


def read(text: str, page: str) -> Iterator[Block]:
    """The blocks of a page's text."""
    lines = text.splitlines()
    at, section, reason = 0, 0, None
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        said = _NOT_RUN.search(lines[at])
        at += 1
        if fence is None:
            if said is not None:
                reason = said[1]
            elif lines[at - 1].strip():
                reason = None
            section += lines[at - 1].startswith("## ")
            continue
        start = at
        while at < len(lines) and lines[at].strip() != fence["marks"]:
            at += 1
        code = dedent("\n".join(lines[start:at])) + "\n"
        language, title = _language(fence["language"], code), _title(fence["rest"], code)
        yield Block(page, start + 1, language, code, title, section, reason)
        at, reason = at + 1, None


def _language(named: str, code: str) -> str:
    """A block without a language is text, unless it has commands in it: these run whatever the block is called."""
    return named or ("sh" if _SHELL.search(code) else "text")


def _title(rest: str, code: str) -> str | None:
    titled = _TITLE.search(rest) or _FIRST_LINE.match(code.splitlines()[0] if code.strip() else "")
    return titled[1] if titled else None
