"""Long texts in lines of a given width."""

import re
from collections.abc import Sequence
from typing import Final

from rich.cells import chop_cells
from textual.content import Content

from fastkiq.printable import printable

_FRAME: Final = re.compile(r"(.+?):(\d+):in (.+)", re.DOTALL)
_FOREIGN: Final = re.compile(r"site-packages|dist-packages|/lib/python\d|/gems/|<frozen |/ruby/\d")
_MOST_LINES: Final = 2_000


def wrapped(text: str, width: int, style: str = "", indent: str = "") -> list[Content]:
    """One line of a text in as many lines as it takes; the later ones indented."""
    room = max(10, width - len(indent))
    first, *rest = chop_cells(printable(text, 40_000), room) or [""]
    return [Content.styled(first, style), *(Content.styled(indent + each, style) for each in rest)]


def paragraphs(text: str, width: int, style: str = "") -> list[Content]:
    """A text of several lines, in which indentation is kept."""
    lines: list[Content] = []
    for each in text.split("\n"):
        margin = " " * min(len(each) - len(each.lstrip(" ")) + 2, max(0, width // 2))
        lines += wrapped(each.expandtabs(4), width, style, margin)
        if len(lines) > _MOST_LINES:
            return [*lines[:_MOST_LINES], Content.styled("…", "dim")]
    return lines


def framed(frames: Sequence[str], width: int) -> list[Content]:
    """Lines of a stored backtrace: the function, then where it is; what belongs to libraries is dimmed."""
    lines: list[Content] = []
    for frame in frames:
        found = _FRAME.fullmatch(frame)
        foreign = _FOREIGN.search(frame) is not None
        if found is None:
            lines += wrapped(frame, width, "dim" if foreign else "", "    ")
            continue
        path, number, function = found.groups()
        lines += wrapped(function.strip("'`"), width, "dim" if foreign else "bold", "    ")
        lines += [Content("    ") + each for each in wrapped(f"{path}:{number}", width - 4, "dim")]
    return lines
