"""Small charts drawn by the server: shapes with attributes only, since no inline style is allowed."""

from collections.abc import Sequence

from markupsafe import Markup


def sparkline(values: Sequence[float], label: str, width: int = 120, height: int = 28) -> Markup:
    """A line with the area below it; `label` says in words what it shows."""
    top = max(values, default=0) or 1
    step = width / max(len(values) - 1, 1)
    points = [f"{index * step:.1f},{height - 2 - (height - 4) * value / top:.1f}" for index, value in enumerate(values)]
    line = " ".join(points)
    area = f"0,{height} {line} {width},{height}"
    return Markup(
        '<svg class="sparkline" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' aria-label="{label}" preserveAspectRatio="none"><polygon class="spark-area" points="{area}"/>'
        '<polyline class="spark-line" points="{line}" vector-effect="non-scaling-stroke"/></svg>'
    ).format(width=width, height=height, label=label, area=area, line=line)
