"""Pictures of the products that `manage.py seed` brings along, drawn by Pillow. A canvas is 100 units wide and high."""

from collections.abc import Callable, Sequence
from io import BytesIO

from PIL import Image, ImageDraw

SIDE = 1200  # pixels
OVERSAMPLING = 2  # Pillow draws without smooth edges; to shrink the picture makes them
SEA, SAND, CORAL, INK, LEAF, WHITE, SUN = "#14505c", "#f1e4cc", "#e07a5f", "#22333b", "#3d7a4f", "#fdfcf8", "#e9b44c"


class Canvas:
    """ImageDraw in units of a hundredth of the picture."""

    def __init__(self, background: str) -> None:
        self.image = Image.new("RGB", (SIDE * OVERSAMPLING,) * 2, background)
        self.draw = ImageDraw.Draw(self.image)

    def scaled(self, values: Sequence[float]) -> list[float]:
        return [value * SIDE * OVERSAMPLING / 100 for value in values]

    def box(self, *corners: float, fill: str, radius: float = 0) -> None:
        self.draw.rounded_rectangle(self.scaled(corners), self.scaled([radius])[0], fill)

    def oval(self, *corners: float, fill: str) -> None:
        self.draw.ellipse(self.scaled(corners), fill)

    def shape(self, *points: float, fill: str) -> None:
        self.draw.polygon(self.scaled(points), fill)

    def line(self, *points: float, fill: str, width: float) -> None:
        self.draw.line(self.scaled(points), fill, int(self.scaled([width])[0]), joint="curve")

    def ring(self, *corners: float, fill: str, width: float) -> None:
        self.draw.arc(self.scaled(corners), 0, 360, fill, int(self.scaled([width])[0]))


Drawing = Callable[[], Canvas]


def png(draw: Drawing) -> bytes:
    """The picture's file."""
    file = BytesIO()
    draw().image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()


def mug() -> Canvas:
    canvas = Canvas("#cfe3e2")
    canvas.box(0, 76, 100, 100, fill="#b4d0cf")
    canvas.oval(22, 76, 78, 84, fill="#96b8b7")
    canvas.ring(58, 38, 82, 66, fill=CORAL, width=5)
    canvas.box(27, 28, 68, 80, fill=CORAL, radius=6)
    canvas.oval(27, 24, 68, 34, fill=WHITE)
    canvas.oval(30, 25.5, 65, 32.5, fill="#5a3825")
    canvas.box(27, 60, 68, 64, fill=WHITE)
    return canvas


def lamp() -> Canvas:
    canvas = Canvas("#f6d9c4")
    canvas.box(0, 78, 100, 100, fill="#e6bfa3")
    canvas.shape(58, 40, 38, 78, 98, 78, 84, 40, fill="#fbeccb")
    canvas.box(26, 74, 54, 79, fill=INK, radius=2.5)
    canvas.line(40, 75, 34, 46, 62, 24, fill=INK, width=2.6)
    canvas.oval(31, 43, 37, 49, fill=CORAL)
    canvas.oval(66, 34, 78, 46, fill=SUN)
    canvas.shape(60, 20, 66, 17, 88, 38, 54, 42, fill=SEA)
    return canvas


def notebook() -> Canvas:
    canvas = Canvas("#e5e0f0")
    canvas.box(29, 21, 76, 84, fill="#c4bcd9", radius=3)
    canvas.box(26, 18, 73, 81, fill="#4b3f72", radius=3)
    canvas.box(26, 18, 33, 81, fill="#372d57", radius=3)
    canvas.box(42, 30, 65, 44, fill=SAND, radius=1.5)
    canvas.line(46, 35, 61, 35, fill="#4b3f72", width=1)
    canvas.line(46, 39, 56, 39, fill="#4b3f72", width=1)
    canvas.box(67, 18, 69.5, 81, fill=CORAL)
    return canvas


def plant() -> Canvas:
    canvas = Canvas("#e7eddc")
    canvas.box(0, 80, 100, 100, fill="#d2dcc0")
    canvas.line(50, 66, 50, 22, fill=LEAF, width=1.6)
    for height, reach in ((22, 16), (34, 22), (46, 24)):
        canvas.shape(
            50,
            height + 10,
            50 - reach * 0.6,
            height - 6,
            50 - reach,
            height + 4,
            50 - reach * 0.5,
            height + 11,
            fill=LEAF,
        )
        canvas.shape(
            50,
            height + 14,
            50 + reach * 0.6,
            height - 2,
            50 + reach,
            height + 8,
            50 + reach * 0.5,
            height + 15,
            fill="#56966a",
        )
    canvas.shape(33, 62, 67, 62, 62, 86, 38, 86, fill=CORAL)
    canvas.box(31, 58, 69, 66, fill="#c9634a", radius=1.5)
    return canvas


def clock() -> Canvas:
    canvas = Canvas("#d8e2ea")
    canvas.oval(23, 25, 81, 83, fill="#bccbd7")
    canvas.oval(20, 21, 80, 81, fill=INK)
    canvas.oval(24, 25, 76, 77, fill=WHITE)
    for x, y in ((50, 30), (71, 51), (50, 72), (29, 51)):
        canvas.oval(x - 1.5, y - 1.5, x + 1.5, y + 1.5, fill=INK)
    canvas.line(50, 51, 50, 34, fill=INK, width=2.2)
    canvas.line(50, 51, 63, 58, fill=INK, width=2.2)
    canvas.oval(47, 48, 53, 54, fill=CORAL)
    return canvas


def lighthouse() -> Canvas:
    canvas = Canvas("#ded6c6")
    canvas.box(18, 10, 82, 90, fill=INK)
    canvas.box(21, 13, 79, 87, fill="#f4cf9b")
    canvas.shape(53, 30, 79, 20, 79, 36, fill="#fbe8c3")
    canvas.box(21, 66, 79, 87, fill=SEA)
    canvas.shape(21, 70, 42, 64, 62, 66, 70, 76, 21, 80, fill="#2f3e46")
    canvas.shape(43, 66, 45, 34, 53, 34, 55, 66, fill=WHITE)
    canvas.shape(44.2, 48, 44.9, 40, 53.1, 40, 53.8, 48, fill=CORAL)
    canvas.shape(43.2, 62, 43.8, 55, 54.2, 55, 54.8, 62, fill=CORAL)
    canvas.box(45.5, 28, 52.5, 34, fill=SUN)
    canvas.shape(44, 28, 49, 22, 54, 28, fill=INK)
    return canvas
