"""Draws the plots of the document: `plots.py FOLDER`, with what to draw as JSON on stdin. Needs matplotlib, no more.

PNG and SVG of the same picture: a bar for each contender, best on top, its value at its end, a line from the least
to the most of the rounds. The scale is logarithmic where the greatest is over twenty times the least.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

OURS, SIDEKIQ, FLOOR, OTHERS = "#0b6e4f", "#b1003e", "#d9d9d9", "#9db4c0"
INK, FAINT = "#222222", "#e6e6e6"


def main() -> None:
    pyplot.switch_backend("Agg")
    pyplot.rcParams.update({"svg.hashsalt": "fastkiq", "svg.fonttype": "none", "font.size": 9})
    folder = Path(sys.argv[1])
    for name, plot in json.load(sys.stdin).items():
        draw(folder, name, plot)


def draw(folder: Path, name: str, plot: dict[str, Any]) -> None:
    bars = plot["bars"]
    figure, axes = pyplot.subplots(figsize=(7.6, 0.9 + 0.27 * len(bars)), dpi=120)
    seen = [value for bar in bars for value in (bar["least"], bar["most"], bar["mark"] or bar["value"]) if value > 0]
    least, most = min(seen, default=1), max(seen, default=1)
    logarithmic = most > 20 * least
    start = 10 ** math.floor(math.log10(least) - 0.3) if logarithmic else 0
    if logarithmic:
        axes.set_xscale("log")
    for row, bar in enumerate(bars):
        _bar(axes, row, bar, start)
    axes.set_xlim(start, (most / start) ** 1.14 * start if logarithmic else most * 1.14)
    axes.set_yticks(range(len(bars)), [bar["title"] for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if bar["name"].startswith("fastkiq") else "normal")
    _dress(axes, plot, logarithmic)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png")
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def _bar(axes: Axes, row: int, bar: dict[str, Any], start: float) -> None:
    colour = FLOOR if bar["floor"] else OTHERS
    if bar["name"].startswith("fastkiq"):
        colour = OURS
    elif bar["name"] == "sidekiq":
        colour = SIDEKIQ
    axes.barh(row, max(bar["value"] - start, 0), left=start, height=0.62, color=colour, zorder=2)
    if bar["most"] > bar["least"] > 0:
        axes.plot([bar["least"], bar["most"]], [row, row], color=INK, linewidth=0.8, zorder=3)
    furthest, label = max(bar["most"], bar["value"], start), bar["label"]
    if bar["mark"]:
        axes.plot(bar["mark"], row, marker="|", color=INK, markersize=9, zorder=3)
        furthest = max(furthest, bar["mark"])
        label = f"{label} / {bar['mark']:.3g}"
    axes.annotate(label, (furthest, row), (5, 0), textcoords="offset points", va="center", color=INK, fontsize=8)


def _dress(axes: Axes, plot: dict[str, Any], logarithmic: bool) -> None:
    better = "more is better" if plot["more"] else "less is better"
    marked = ", bar p50, tick p99" if any(bar["mark"] for bar in plot["bars"]) else ""
    unit = ", ".join(
        part for part in (plot["unit"] + marked, better, "logarithmic scale" if logarithmic else "") if part
    )
    axes.set_title(plot["title"], loc="left", fontsize=10.5, fontweight="bold", color=INK)
    axes.set_xlabel(unit, color=INK, fontsize=8)
    axes.grid(axis="x", color=FAINT, zorder=0)
    axes.tick_params(length=0, colors=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
