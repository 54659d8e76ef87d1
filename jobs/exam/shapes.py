"""Coloured shapes on white: counted, told apart by where they are, found by a box, and compared between two pictures."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.exam.canvas import COLOURS, SHAPES, Box, Canvas, per_thousand
from jobs.exam.item import Item, pick
from schemas.questions import MARKER

WIDTH, HEIGHT, CELL = 640, 480, 80
PLURALS = {"circle": "circles", "square": "squares", "triangle": "triangles"}
SIDES = {"left": "左", "right": "右", "above": "上", "below": "下"}
"""Where one thing may be as seen from another, in English and Chinese."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape of a picture."""

    colour: str
    shape: str
    cell: tuple[int, int]
    """Column and row of the cells of 80 pixels that hold one shape each."""
    centre: tuple[int, int]
    """In pixels."""
    radius: int

    def said(self, language: str) -> str:
        """Return the thing in words."""
        return pick(language, f"{self.colour} {self.shape}", f"{COLOURS[self.colour][1]}{SHAPES[self.shape]}")


def counting(rng: random.Random, language: str) -> Item:
    """Ask for the number of shapes of one colour and form among others that share one of the two."""
    colours, forms = rng.sample(sorted(COLOURS), 3), sorted(SHAPES)
    asked = (colours[0], rng.choice(forms))
    kinds = [asked] * rng.randrange(2, 9)
    others = [(colour, form) for colour in colours for form in forms if (colour, form) != asked]
    kinds += [rng.choice(others) for _ in range(rng.randrange(6, 13))]
    rng.shuffle(kinds)
    things = _scattered(rng, kinds)
    canvas, _ = _drawn(things)
    truth = sum((thing.colour, thing.shape) == asked for thing in things)
    question = pick(
        language,
        f"How many {asked[0]} {PLURALS[asked[1]]} are there in the picture?",
        f"图中有多少个{COLOURS[asked[0]][1]}的{SHAPES[asked[1]]}？",
    )
    facts = {"colour": COLOURS[asked[0]][0], "shape": asked[1], "things": len(things)}
    return Item("counting", question, str(truth), (canvas.png(),), _listed(things, language), facts=facts)


def spatial(rng: random.Random, language: str) -> Item:
    """Ask where a thing is as seen from another in the same row or the same column."""
    kinds = list(zip(rng.sample(sorted(COLOURS), 4), (rng.choice(sorted(SHAPES)) for _ in range(4)), strict=True))
    column, row = rng.randrange(1, 7), rng.randrange(1, 5)
    across = rng.random() < 0.5
    line = [(place, row) for place in range(8)] if across else [(column, place) for place in range(6)]
    near = sorted(rng.sample(line, 2))
    elsewhere = [(x, y) for x in range(8) for y in range(6) if y != row and x != column]
    things = _placed(rng, kinds, [*near, *rng.sample(elsewhere, 2)], still=True)
    canvas, _ = _drawn(things)
    one, other = rng.sample((0, 1), 2)
    truth = ("left", "right") if across else ("above", "below")
    side = truth[0] if one < other else truth[1]
    first, second = (things[place].said(language) for place in (one, other))
    question = pick(
        language,
        f"Is the {first} to the left of, to the right of, above or below the {second}? Answer with left, right, above or below.",
        f"{first}在{second}的哪一边？请从左、右、上、下中选一个回答。",
    )
    places = [
        pick(
            language,
            f"{thing.said(language)}: column {thing.cell[0] + 1}, row {thing.cell[1] + 1}",
            f"{thing.said(language)}：第{thing.cell[0] + 1}列，第{thing.cell[1] + 1}行",
        )
        for thing in things
    ]
    words = pick(
        language,
        "A picture with a grid of 8 columns, counted from the left, and 6 rows, counted from the top: ",
        "一幅画，分为从左数8列、从上数6行的格子：",
    ) + pick(language, "; ", "；").join(places)
    facts = {"colours": [COLOURS[things[place].colour][0] for place in (one, other)], "side": side}
    return Item("spatial", question, pick(language, side, SIDES[side]), (canvas.png(),), words, human_tier="easy", facts=facts)


def grounding(rng: random.Random, language: str) -> Item:
    """Ask for the box of the only thing of its colour and form."""
    kinds = rng.sample([(colour, form) for colour in sorted(COLOURS) for form in sorted(SHAPES)], 7)
    things = _scattered(rng, kinds)
    canvas, boxes = _drawn(things)
    place = rng.randrange(len(things))
    said = things[place].said(language)
    question = pick(
        language,
        f"Where is the {said}? Give its bounding box as [[x1,y1,x2,y2]], in thousandths of the picture's width and height, 0 to 999.",
        f"{said}在哪里？请以[[x1,y1,x2,y2]]给出它的边界框，坐标为图宽和图高的千分比，0到999。",
    )
    lines = [f"{thing.said(language)}: {_box(box, canvas)}" for thing, box in zip(things, boxes, strict=True)]
    words = pick(language, "A picture with these things, each with its bounding box: ", "图中有下列物体及其边界框：") + pick(
        language, "; ", "；"
    ).join(lines)
    facts = {"colour": COLOURS[things[place].colour][0], "shape": things[place].shape, "box": boxes[place]}
    return Item("grounding", question, _box(boxes[place], canvas), (canvas.png(),), words, facts=facts)


def compare(rng: random.Random, language: str) -> Item:
    """Ask in which of two pictures there are more of a form, or how many more."""
    form, colours = rng.choice(sorted(SHAPES)), sorted(COLOURS)
    less, more = sorted(rng.sample(range(2, 9), 2))
    numbers = rng.sample((less, more), 2)
    others = sorted(set(SHAPES) - {form})
    scenes = [
        _scattered(rng, [(rng.choice(colours), form)] * number + [(rng.choice(colours), rng.choice(others)) for _ in range(5)])
        for number in numbers
    ]
    pictures = [_drawn(things)[0].png() for things in scenes]
    both = pick(language, f"Picture 1: {MARKER}\nPicture 2: {MARKER}\n", f"图一：{MARKER}\n图二：{MARKER}\n")
    if rng.random() < 0.5:
        truth = str(1 + numbers.index(more))
        question = pick(language, f"Which picture has more {PLURALS[form]}, 1 or 2?", f"哪一幅图中的{SHAPES[form]}更多，1还是2？")
    else:
        truth = str(more - less)
        question = pick(
            language,
            f"How many more {PLURALS[form]} are there in the one picture than in the other?",
            f"两幅图中{SHAPES[form]}的个数相差多少？",
        )
    names = pick(language, "Picture 1: ,Picture 2: ", "图一：,图二：").split(",")
    words = "\n".join(name + _listed(things, language) for name, things in zip(names, scenes, strict=True))
    return Item("counting", both + question, truth, tuple(pictures), words, facts={"shape": form, "numbers": numbers})


def _scattered(rng: random.Random, kinds: Sequence[tuple[str, str]]) -> list[Thing]:
    return _placed(rng, kinds, rng.sample([(x, y) for x in range(8) for y in range(6)], len(kinds)))


def _placed(rng: random.Random, kinds: Sequence[tuple[str, str]], cells: Sequence[tuple[int, int]], still: bool = False) -> list[Thing]:
    """Return a thing of each kind in a cell of its own, not in the middle of it unless they are to stand ``still``."""
    things: list[Thing] = []
    for (colour, form), (x, y) in zip(kinds, cells, strict=True):
        radius = rng.randrange(18, 29)
        room = 0 if still else CELL // 2 - radius - 4
        centre = (CELL * x + CELL // 2 + rng.randint(-room, room), CELL * y + CELL // 2 + rng.randint(-room, room))
        things.append(Thing(colour, form, (x, y), centre, radius))
    return things


def _drawn(things: Sequence[Thing]) -> tuple[Canvas, list[Box]]:
    canvas = Canvas(WIDTH, HEIGHT)
    return canvas, [canvas.shape(thing.shape, thing.colour, thing.centre, thing.radius) for thing in things]


def _listed(things: Sequence[Thing], language: str) -> str:
    """Return the things one by one, for to give their number would be to give the answer."""
    said = [thing.said(language) for thing in things]
    return pick(language, f"A picture with these things: {', '.join(said)}.", f"图中有下列物体：{'、'.join(said)}。")


def _box(box: Box, canvas: Canvas) -> str:
    return json.dumps([per_thousand(box, canvas)], separators=(",", ":"))
