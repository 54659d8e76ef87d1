"""A white picture to draw on; shapes without smoothing, so that a pixel is of one colour, text in Noto Sans SC."""

import io
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from schemas.weights import path_of

INK, GREY, LIGHT = "#202020", "#808080", "#d8d8d8"
COLOURS = {
    "red": ("#d62728", "红色"),
    "blue": ("#1f77b4", "蓝色"),
    "green": ("#2ca02c", "绿色"),
    "orange": ("#ff7f0e", "橙色"),
    "purple": ("#9467bd", "紫色"),
}
"""Names of colours in English, each with its value and its Chinese name."""
SHAPES = {"circle": "圆形", "square": "正方形", "triangle": "三角形"}
"""Names of shapes in English and Chinese."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture of ``width`` x ``height`` pixels."""

    width: int
    height: int
    background: str = "#ffffff"
    image: Image.Image = field(init=False)
    draw: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the background alone."""
        image = Image.new("RGB", (self.width, self.height), self.background)
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "draw", ImageDraw.Draw(image))

    def text(self, at: tuple[float, float], text: str, size: int = 18, anchor: str = "mm", fill: str = INK) -> None:
        """Write ``text``, its ``anchor`` (Pillow's two letters) at the place ``at``."""
        self.draw.text(at, text, fill=fill, font=_font(size), anchor=anchor)

    def shape(self, name: str, colour: str, centre: tuple[int, int], radius: int) -> Box:
        """Draw a shape that fills its box of 2 ``radius`` + 1 pixels and return that box, xyxy in pixels, its end behind the last."""
        (x, y), fill = centre, COLOURS[colour][0]
        corners = (x - radius, y - radius, x + radius, y + radius)
        if name == "circle":
            self.draw.ellipse(corners, fill=fill)
        elif name == "square":
            self.draw.rectangle(corners, fill=fill)
        else:
            self.draw.polygon([(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)], fill=fill)
        return x - radius, y - radius, x + radius + 1, y + radius + 1

    def png(self) -> bytes:
        """Return the picture as the bytes of a PNG."""
        data = io.BytesIO()
        self.image.save(data, "PNG")
        return data.getvalue()


def per_thousand(box: Box, canvas: Canvas) -> list[int]:
    """Return ``box`` in thousandths of the sides of ``canvas``, 0 to 999 (GLM-4.5V)."""
    sides = (canvas.width, canvas.height, canvas.width, canvas.height)
    return [min(999, round(1000 * value / side)) for value, side in zip(box, sides, strict=True)]


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path_of("noto_sans_sc"), size, layout_engine=ImageFont.Layout.BASIC)
