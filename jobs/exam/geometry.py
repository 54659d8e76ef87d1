"""Figures of geometry, drawn to scale, with the lengths and angles that a question starts from written beside them."""

import math
import random
from collections.abc import Sequence

from jobs.exam.canvas import COLOURS, INK, Canvas
from jobs.exam.item import Item, pick

WIDTH, HEIGHT = 520, 420
TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17))
"""Pythagorean triples: sides in whole numbers, which can be written beside a figure without rounding."""
ROOM = 26
"""Pixels between the middle of a text in an angle and the sides of that angle."""
Point = tuple[float, float]


def angles(rng: random.Random, language: str) -> Item:
    """Ask for the third angle of a triangle."""
    first, second = rng.randrange(35, 76), rng.randrange(35, 76)
    canvas = Canvas(WIDTH, HEIGHT)
    base, left, bottom = 340.0, 90.0, 340.0
    height = base / (1 / math.tan(math.radians(first)) + 1 / math.tan(math.radians(second)))
    scale = min(1.0, 270 / height)
    apex = (left + scale * height / math.tan(math.radians(first)), bottom - scale * height)
    corners = [(left, bottom), (left + scale * base, bottom), apex]
    _outline(canvas, corners)
    _letters(canvas, corners)
    for corner, angle, said in zip(corners, (first, second, 180 - first - second), (f"{first}°", f"{second}°", "?"), strict=True):
        canvas.text(_inwards(corner, corners, ROOM / math.sin(math.radians(angle / 2))), said, 20)
    question = pick(language, "How many degrees has the angle at C? Answer with the number.", "C处的角是多少度？只回答数字。")
    words = pick(
        language,
        f"A triangle ABC. The angle at A has {first}°, the angle at B has {second}°, the angle at C is marked with a question mark.",
        f"三角形ABC。A处的角为{first}°，B处的角为{second}°，C处的角标有问号。",
    )
    return Item("math", question, str(180 - first - second), (canvas.png(),), words, human_tier="easy", facts={"angles": [first, second]})


def hypotenuse(rng: random.Random, language: str) -> Item:
    """Ask for the long side of a right triangle, or for its area."""
    factor, triple = rng.randrange(1, 6), rng.choice(TRIPLES)
    short, long, slope = (factor * side for side in triple)
    canvas = Canvas(WIDTH, HEIGHT)
    scale = min(340 / long, 260 / short)
    corners = [(90.0, 350.0), (90 + scale * long, 350.0), (90.0, 350 - scale * short)]
    _outline(canvas, corners)
    _letters(canvas, corners)
    canvas.draw.line([(90, 332), (108, 332), (108, 350)], fill=INK, width=2)
    canvas.text((90 + scale * long / 2, 374), f"{long} cm", 20)
    canvas.text((78, 350 - scale * short / 2), f"{short} cm", 20, "rm")
    if rng.random() < 0.5:
        question, truth = pick(language, "How long is BC in cm? Answer with the number.", "BC长多少厘米？只回答数字。"), slope
    else:
        question, truth = (
            pick(language, "What is the area of the triangle in cm²? Answer with the number.", "三角形的面积是多少平方厘米？只回答数字。"),
            short * long / 2,
        )
    words = pick(
        language,
        f"A triangle ABC with a right angle at A. AB is {long} cm long, AC is {short} cm long.",
        f"三角形ABC，A处为直角，AB长{long}厘米，AC长{short}厘米。",
    )
    return Item("math", question, f"{truth:g}", (canvas.png(),), words, human_tier="medium", facts={"legs": [short, long]})


def circle(rng: random.Random, language: str) -> Item:
    """Ask for the area or the circumference of a circle as a multiple of pi."""
    radius = rng.randrange(2, 16)
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.draw.ellipse((120, 60, 420, 360), outline=COLOURS["blue"][0], width=3)
    canvas.draw.line((270, 210, 420, 210), fill=INK, width=2)
    canvas.draw.ellipse((266, 206, 274, 214), fill=INK)
    canvas.text((252, 228), "M", 20)
    canvas.text((345, 192), f"{radius} cm", 20)
    if rng.random() < 0.5:
        question = pick(
            language, "What is the area of the circle in cm²? Answer as a multiple of π.", "圆的面积是多少平方厘米？用π的倍数回答。"
        )
        truth = f"{radius * radius}π"
    else:
        question = pick(
            language, "What is the circumference of the circle in cm? Answer as a multiple of π.", "圆的周长是多少厘米？用π的倍数回答。"
        )
        truth = f"{2 * radius}π"
    words = pick(language, f"A circle with the centre M and a radius of {radius} cm.", f"圆心为M、半径为{radius}厘米的圆。")
    return Item("math", question, truth, (canvas.png(),), words, facts={"radius": radius})


def figure(rng: random.Random, language: str) -> Item:
    """Ask about a triangle or a circle."""
    return rng.choice((angles, hypotenuse, circle))(rng, language)


def _outline(canvas: Canvas, corners: Sequence[Point]) -> None:
    canvas.draw.line([*corners, *corners[:2]], fill=COLOURS["blue"][0], width=3, joint="curve")


def _letters(canvas: Canvas, corners: Sequence[Point]) -> None:
    for letter, corner in zip("ABC", corners, strict=True):
        canvas.text(_inwards(corner, corners, -24), letter, 22)


def _inwards(corner: Point, corners: Sequence[Point], by: float) -> Point:
    """Return the place ``by`` pixels from ``corner`` on the line that halves its angle, outside the figure where negative."""
    rays = [(x - corner[0], y - corner[1]) for x, y in corners if (x, y) != corner]
    x, y = (sum(ray[axis] / math.hypot(*ray) for ray in rays) for axis in (0, 1))
    length = math.hypot(x, y)
    return corner[0] + by * x / length, corner[1] + by * y / length
