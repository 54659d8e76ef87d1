"""GUI: one action, and the place of one element (paper 5.2, Table 1: action and IoU for actions, IoU for grounding).

An action is a JSON object on a phone, as AndroidWorld has it, and a call such as ``left_click(start_box='[x,y]')`` on a desktop
(both forms: the paper's repository). Which of the two a task wants shows in its truth.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from rapidfuzz.distance import Levenshtein

from synth.verifiers.action import Malformed, parse_call, parse_json
from synth.verifiers.boxes import Box, NotBoxes, iou, parse_boxes, parse_point
from synth.verifiers.reward import UNDECIDED, Reward, Task, graded

TEXTS = frozenset({"text", "content"})
"""Arguments that are typed, where nearly right is worth something: ``text`` on a phone, ``content`` on a desktop (repository)."""
BOXES = frozenset({"box_2d"})
"""Arguments that hold a box, on a phone (repository)."""
POINTS = frozenset({"start_box", "end_box"})
"""Arguments that hold a point, on a desktop, or in the truth the box in which it has to lie (repository)."""
REMARKS = frozenset({"element_info"})
"""Arguments that change nothing of what is done, and so are not compared (ours)."""

NEAR, FAR = 20.0, 50.0
"""Distances in thousandths of the screen: up to ``NEAR`` a click costs 0.2 of its reward, beyond ``FAR`` all of it (repository)."""


@dataclass(frozen=True, slots=True)
class ActionVerifier:
    """Holds one action against the true one: the same arguments, and the product of what each of them earns (repository).

    A typed text earns 1 - edit distance / length of the longer one, the measure of OCR in Table 1; the repository takes the
    longest common subsequence, which gives unrelated words more. A box earns its IoU, a point what its distance leaves
    (``NEAR``, ``FAR``) or, where the truth is a box, 1 inside and 0 outside; any other argument 1 where it is the same.
    """

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the product over all arguments; ``undecided`` where the truth is no action."""
        parse = parse_json if task.truth.lstrip().startswith("{") else parse_call
        try:
            true = parse(task.truth)
        except Malformed:
            return Reward(None, UNDECIDED, "truth")
        if not all(_is_place(true[key]) for key in true.keys() & (BOXES | POINTS)):
            return Reward(None, UNDECIDED, "truth")
        try:
            found = parse(answer)
        except Malformed as refused:
            return Reward(0.0, str(refused), "action")
        if found.keys() - REMARKS != true.keys() - REMARKS:
            return Reward(0.0, "keys", "action")
        return graded(math.prod(_earned(key, found[key], true[key]) for key in sorted(true.keys() - REMARKS)), "action")


@dataclass(frozen=True, slots=True)
class ElementVerifier:
    """Holds the box of one element against the true one by IoU (Table 1), or a point where ``points`` allows it."""

    version: ClassVar[int] = 1

    points: bool = False
    """Whether a point counts, fully, where it lies in the true box (ScreenSpot). Off: a point is easier to hit than a box."""

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the IoU of the two boxes; ``undecided`` where the truth is not one box with an area."""
        try:
            true = _one_box(task.truth)
        except NotBoxes:
            return Reward(None, UNDECIDED, "truth")
        if true.degenerate:
            return Reward(None, UNDECIDED, "truth")
        if self.points and (point := _point(answer)):
            return graded(float(true.holds(*point)), "point")
        try:
            found = _one_box(answer)
        except NotBoxes as refused:
            return Reward(0.0, str(refused), "boxes")
        return Reward(0.0, "degenerate", "boxes") if found.degenerate else graded(iou(found, true), "iou")


def text_similarity(one: str, other: str) -> float:
    """Return 1 - edit distance / length of the longer text, 0 to 1; 1 for two empty texts."""
    return Levenshtein.normalized_similarity(one, other)


def _earned(key: str, found: Any, true: Any) -> float:
    """Return what one argument earns, 0 to 1."""
    if key in BOXES | POINTS:
        return _place(_as_text(found), _as_text(true), points=key in POINTS)
    if type(found) is not type(true) and not (_is_number(found) and _is_number(true)):
        return 0.0
    return text_similarity(found, true) if key in TEXTS and isinstance(true, str) else float(found == true)


def _place(found: str, true: str, *, points: bool) -> float:
    """Return what a box or a point earns, 0 to 1; ``points`` says that a point does for a true box."""
    target, point = _point(true), _point(found)
    try:
        if target:
            return _click(math.dist(point, target)) if point else 0.0
        return float(_one_box(true).holds(*point)) if point and points else iou(_one_box(found), _one_box(true))
    except NotBoxes:
        return 0.0


def _click(distance: float) -> float:
    """Return what a click so many thousandths beside its point earns; the step at ``NEAR`` is the repository's."""
    return 1 - 0.2 * distance / NEAR if distance <= NEAR else max(0.0, 1 - distance / FAR)


def _one_box(text: str) -> Box:
    boxes = parse_boxes(text, most=1)
    if not boxes:
        raise NotBoxes("empty")
    return boxes[0]


def _point(text: str) -> tuple[float, float] | None:
    try:
        return parse_point(text)
    except NotBoxes:
        return None


def _is_place(value: Any) -> bool:
    """Whether a true place is a point, or one box with an area."""
    text = _as_text(value)
    try:
        return _point(text) is not None or not _one_box(text).degenerate
    except NotBoxes:
        return False


def _as_text(value: Any) -> str:
    """Return a place as text: JSON has it as nested lists of numbers, which ``str`` writes as the grammar of boxes reads them."""
    return value if isinstance(value, str) else str(value) if isinstance(value, list) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
