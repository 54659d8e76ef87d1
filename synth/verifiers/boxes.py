"""Boxes in an answer: read by one strict grammar, in every bracket style of the paper, and compared by intersection over union.

Coordinates are thousandths of the image's width and height, from 0 to 1000 with both ends (paper B.3 scales by 1000, the GUI
prompts of the paper's repository by 999). Nothing is clamped: a number outside says that the answer counts in something else,
pixels perhaps, and the whole answer is refused.
"""

import math
import re
from typing import NamedTuple

MOST_BOXES = 256
"""Boxes in one answer at most (ours: no referring expression has so many)."""
MOST_CHARACTERS = 16_384
"""Characters of an answer that is read at all (ours: 64 for each of ``MOST_BOXES``)."""
SCALE = 1000
"""Largest coordinate (paper B.3)."""

PLAIN = str.maketrans("［］【】（）｛｝，、；：．－～０１２３４５６７８９", "[][](){},,;:.-~0123456789")
"""Full-width punctuation and digits, as Chinese answers have them, and what they stand for."""

_MARKS = re.compile(r"([\[\](){},;])")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")


class NotBoxes(ValueError):
    """A text that holds no boxes; the message is the reason, as a name for the ledger."""


class Box(NamedTuple):
    """A box in thousandths of width and height, from its top left to its bottom right corner."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def degenerate(self) -> bool:
        """Whether the box has no area, or its corners are swapped."""
        return self.x2 <= self.x1 or self.y2 <= self.y1

    @property
    def area(self) -> float:
        """Return width times height."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    def holds(self, x: float, y: float) -> bool:
        """Whether the point lies in the box or on its edge (ScreenSpot)."""
        return self.x1 <= x <= self.x2 and self.y1 <= y <= self.y2


def iou(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, 0 to 1; a degenerate box meets nothing."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    if one.degenerate or other.degenerate or width <= 0 or height <= 0:
        return 0.0
    return width * height / (one.area + other.area - width * height)


def parse_boxes(text: str, most: int = MOST_BOXES) -> tuple[Box, ...]:
    """Return the boxes of ``text`` in order, none for empty brackets.

    A box is four numbers in ``[]``, ``()`` or ``{}``; boxes may stand in brackets of their own, as ``[[...],[...]]``, and
    share a pair where semicolons part them, as ``[[...;...]]`` (paper B.3: "bracket style may vary"; CogAgent). A number is
    digits, with a decimal point or without. Raises ``NotBoxes`` with ``empty``, ``too_long``, ``format``, ``several`` (more
    than ``most``) or ``out_of_range``.
    """
    numbers = _numbers(text, _BOXES)
    if len(numbers) > 4 * most:
        raise NotBoxes("several")
    return tuple(Box(*numbers[at : at + 4]) for at in range(0, len(numbers), 4))


def parse_point(text: str) -> tuple[float, float]:
    """Return the one point ``[x, y]`` of ``text``, in any bracket style; raises ``NotBoxes`` as ``parse_boxes`` does."""
    numbers = _numbers(text, _POINT)
    if len(numbers) != 2:
        raise NotBoxes("format")
    return numbers[0], numbers[1]


def in_range(number: float) -> bool:
    """Whether a coordinate is a finite number from 0 to 1000."""
    return math.isfinite(number) and 0 <= number <= SCALE


def _numbers(text: str, grammar: re.Pattern[str]) -> list[float]:
    """Return the numbers of a text that follows ``grammar`` once the blanks around its marks are gone."""
    if len(text) > MOST_CHARACTERS:
        raise NotBoxes("too_long")
    bare = "".join(piece.strip() for piece in _MARKS.split(text.translate(PLAIN)))
    if not bare:
        raise NotBoxes("empty")
    if not grammar.fullmatch(bare):
        raise NotBoxes("format")
    numbers = [float(number) for number in _NUMBER.findall(bare)]
    if not all(map(in_range, numbers)):
        raise NotBoxes("out_of_range")
    return numbers


def _bracketed(inside: str) -> str:
    return rf"(?:\[(?:{inside})\]|\((?:{inside})\)|\{{(?:{inside})\}})"


def _numbers_in_a_row(count: int) -> str:
    return ",".join([_NUMBER.pattern] * count)


def _grammar() -> re.Pattern[str]:
    """Return the grammar of boxes: at each mark one branch alone can go on, so that matching takes linear time."""
    row = _numbers_in_a_row(4)
    box = _bracketed(f"{row}(?:;{row})*")
    group = _bracketed(rf"{row}(?:;{row})*|{box}(?:[,;]?{box})*")
    nothing = _bracketed("") + "|" + _bracketed(_bracketed(""))
    return re.compile(rf"{nothing}|{group}(?:[,;]?{group})*")


_BOXES = _grammar()
_POINT = re.compile(f"{_bracketed(_numbers_in_a_row(2))}|{_bracketed(_bracketed(_numbers_in_a_row(2)))}")
