"""Boxes in answers, read and matched, against rasters and brute force that share no code with them."""

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.verifiers.boxes import Box, NotBoxes, iou, parse_boxes, parse_point
from synth.verifiers.grounding import GroundingVerifier, matches
from synth.verifiers.reward import Reward, Task
from tests.verifying import accepted, is_honest_set, labelled, misjudged, survives

VERIFIER = GroundingVerifier()
EDGE = 24
TRUTH = "[[100,100,300,300]]"


def raster_iou(one: Box, other: Box) -> float:
    """Counts cells of a grid; for whole coordinates below ``EDGE``."""

    def cells(box: Box) -> np.ndarray:
        grid = np.zeros((EDGE, EDGE), bool)
        grid[int(box.y1) : max(int(box.y2), 0), int(box.x1) : max(int(box.x2), 0)] = True
        return grid

    a, b = cells(one), cells(other)
    return float((a & b).sum() / max((a | b).sum(), 1))


def most_pairs(predicted: list[Box], true: list[Box], tau: float) -> int:
    """Tries every way to give true boxes to the distinct predicted ones."""
    short, long = sorted((sorted(set(predicted)), list(true)), key=len)
    return max(sum(raster_iou(a, b) > tau for a, b in zip(short, order, strict=True)) for order in permutations(long, len(short)))


def text_of(boxes: list[Box]) -> str:
    return "[" + ",".join("[" + ",".join(f"{value:g}" for value in box) + "]" for box in boxes) + "]"


@st.composite
def proper(draw: st.DrawFn, edge: int = EDGE) -> Box:
    x1, x2 = sorted(draw(st.lists(st.integers(0, edge - 1), min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(draw(st.lists(st.integers(0, edge - 1), min_size=2, max_size=2, unique=True)))
    return Box(x1, y1, x2, y2)


corner = st.integers(0, EDGE - 1)
any_box = st.builds(Box, corner, corner, corner, corner)
few = st.lists(proper(6), min_size=1, max_size=5)
"""Boxes on a grid so small that many overlap, and some boxes compete."""
true_boxes = st.lists(proper(), min_size=1, max_size=6, unique=True)
predicted_boxes = st.lists(any_box, max_size=8)


def reward(predicted: list[Box], true: list[Box]) -> float:
    found = VERIFIER(text_of(predicted), Task(text_of(true)))
    assert found.value is not None
    return found.value


# The labelled set.


def test_the_labelled_pairs_are_honest_and_all_judged_as_labelled():
    assert is_honest_set(labelled("grounding"))
    assert misjudged(VERIFIER, labelled("grounding")) == []


# Against oracles.


@given(any_box, any_box)
def test_iou_is_the_share_of_cells(one: Box, other: Box):
    assert iou(one, other) == pytest.approx(0.0 if one.degenerate or other.degenerate else raster_iou(one, other))
    assert iou(one, other) == iou(other, one)


@given(few, few, st.sampled_from([0.1, 0.3, 0.5, 0.75]))
def test_matching_finds_as_many_pairs_as_brute_force(predicted: list[Box], true: list[Box], tau: float):
    distinct = list(dict.fromkeys(true))
    assert matches(predicted, distinct, tau) == most_pairs(predicted, distinct, tau)


def test_a_box_that_two_could_take_goes_to_the_one_that_has_no_other():
    wide, left, right = Box(0, 0, 20, 10), Box(0, 0, 16, 10), Box(4, 0, 20, 10)
    one, other = Box(0, 0, 18, 10), Box(1, 0, 20, 10)
    for predicted in permutations([wide, left]):
        for true in permutations([one, right]):
            assert matches(predicted, true, 0.75) == most_pairs(list(predicted), list(true), 0.75)
    assert matches([wide, left], [one, other], 0.85) == 2, "greedy by IoU would pair wide with one of them and leave left alone"


def test_a_matching_of_the_largest_size_takes_every_box():
    many = [Box(0, 0, 500 + at, 999) for at in range(256)]
    assert matches(many, many, 0.5) == 256


# Contracts.


@given(true_boxes)
def test_the_truth_itself_earns_everything(true: list[Box]):
    assert reward(true, true) == 1


@given(predicted_boxes, true_boxes, st.randoms(use_true_random=False))
def test_the_order_of_boxes_changes_nothing(predicted: list[Box], true: list[Box], chance: random.Random):
    shuffled, moved = chance.sample(predicted, len(predicted)), chance.sample(true, len(true))
    assert reward(predicted, true) == reward(shuffled, moved)


@given(predicted_boxes, true_boxes, st.data())
def test_a_duplicate_never_raises_the_reward(predicted: list[Box], true: list[Box], data: st.DataObject):
    again = data.draw(st.sampled_from(predicted or true))
    predicted = predicted or [again]
    assert reward([*predicted, again], true) <= reward(predicted, true)


@given(predicted_boxes, true_boxes, any_box)
def test_a_box_that_meets_no_true_box_never_raises_the_reward(predicted: list[Box], true: list[Box], spam: Box):
    if all(iou(spam, box) <= VERIFIER.tau for box in true):
        assert reward([*predicted, spam], true) <= reward(predicted, true)


@given(predicted_boxes, true_boxes)
def test_the_reward_is_the_share_of_pairs_of_the_larger_number(predicted: list[Box], true: list[Box]):
    pairs = most_pairs([box for box in predicted if not box.degenerate] or [Box(0, 0, 0, 0)], true, 0.5)
    assert reward(predicted, true) == round(pairs / max(len(predicted), len(true)), 4)


# Reading.


@pytest.mark.parametrize("opened", ["[]", "()", "{}"])
@pytest.mark.parametrize("around", ["[]", "()", "{}"])
@given(boxes=st.lists(any_box, min_size=1, max_size=5), gap=st.sampled_from([",", ";", ", ", "\n", " ; "]))
def test_every_bracket_style_reads_the_same(opened: str, around: str, boxes: list[Box], gap: str):
    written = gap.join(opened[0] + ", ".join(map(str, map(int, box))) + opened[1] for box in boxes)
    assert parse_boxes(around[0] + written + around[1]) == parse_boxes(written) == tuple(boxes)


@given(st.lists(any_box, min_size=1, max_size=5))
def test_semicolons_part_the_boxes_in_one_pair_of_double_brackets(boxes: list[Box]):
    assert parse_boxes("[[" + ";".join(",".join(map(str, map(int, box))) for box in boxes) + "]]") == tuple(boxes)


@given(st.text(alphabet="[](){},;0123456789.- \nnaif", max_size=40))
def test_what_is_read_is_what_stands_there(text: str):
    try:
        boxes = parse_boxes(text)
    except NotBoxes:
        return
    digits = "".join(mark if mark in "0123456789." else " " for mark in text).split()
    assert [float(number) for number in digits] == [value for box in boxes for value in box]


def test_more_boxes_than_allowed_are_refused():
    with pytest.raises(NotBoxes, match="several"):
        parse_boxes("[" + ",".join(["[1,2,3,4]"] * 257) + "]")
    assert len(parse_boxes("[" + ",".join(["[1,2,3,4]"] * 256) + "]")) == 256


@pytest.mark.parametrize("text", ["[[-1,100,300,300]]", "[[0,0,5,1000.1]]", "[[0,0,5,1001]]"])
def test_coordinates_beyond_the_image_are_refused_and_not_clamped(text: str):
    with pytest.raises(NotBoxes, match="out_of_range"):
        parse_boxes(text)
    assert parse_boxes("[[0,0,1000,1000.0]]") == (Box(0, 0, 1000, 1000),)


def test_a_point_is_two_numbers_in_brackets():
    assert parse_point("[500, 300]") == parse_point("((500,300))") == (500, 300)
    for text in ("[500]", "[1,2,3,4]", "[1,2],[3,4]", "500,300", "[]"):
        with pytest.raises(NotBoxes, match="format"):
            parse_point(text)


# What must not pay.


@pytest.mark.parametrize("truth", ["", "the red bus", "[]", "[[300,300,100,100]]", "[[1,2,3,4],[1,2,3,4]]", "[[1,2,3,4000]]", "["])
def test_a_truth_that_holds_no_boxes_leaves_the_answer_undecided(truth: str):
    assert VERIFIER(TRUTH, Task(truth)) == Reward(None, "undecided", "truth")


def hard_negatives() -> list[tuple[str, Task, float]]:
    """Answers with the most that each may earn, drawn from a seed."""
    chance = random.Random(7)
    found: list[tuple[str, Task, float]] = []
    for _ in range(60):
        x, y = chance.randrange(0, 600), chance.randrange(0, 600)
        width, height = chance.randrange(40, 300), chance.randrange(40, 300)
        box, task = Box(x, y, x + width, y + height), Task(text_of([Box(x, y, x + width, y + height)]))
        right, copies, spam = text_of([box]), chance.randrange(2, 30), chance.randrange(1, 60)
        elsewhere = [Box(900 + at % 50, 900 + at // 50, 990, 990) for at in range(spam)]
        grid = [Box(c * 62, r * 62, c * 62 + 62, r * 62 + 62) for r in range(16) for c in range(16)]
        found += [
            (text_of([box] * copies), task, 1 / copies),
            (text_of([box, *elsewhere]), task, 1 / (1 + spam)),
            (text_of([Box(x + at, y, x + width + at, y + height) for at in range(copies)]), task, 1 / copies),
            (text_of(grid), task, 1 / 256),
            (text_of([Box(0, 0, 1000, 1000)]), task, 0),
            (text_of([Box(box.x2, box.y2, box.x1, box.y1)]), task, 0),
            (text_of([Box(box.x1, box.y1, box.x1, box.y2)]), task, 0),
            (text_of([Box(x + width / 2, y, x + 1.5 * width, y + height)]), task, 0),
            (text_of([Box(x, y, x + width / 2, y + height)]), task, 0),
            (f"the box is {right}", task, 0),
            (f"{right} correct: 1.0", task, 0),
            (right[:-1], task, 0),
            (right.replace(",", " "), task, 0),
            (right.replace("[[", '{"boxes":[['), task, 0),
            (f"[[{x}-999,{y}-999,999,999]]", task, 0),
        ]
    return found


def test_no_hard_negative_earns_more_than_it_may():
    negatives = hard_negatives()
    assert len({(answer, task.truth) for answer, task, _ in negatives}) >= 800
    assert accepted(VERIFIER, negatives) == []


def test_hostile_answers_earn_nothing_and_cost_no_time():
    survives(VERIFIER, Task(TRUTH))
