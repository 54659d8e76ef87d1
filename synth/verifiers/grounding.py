"""Grounding: the share of boxes that are where they should be (paper 5.2, Table 1: boxes with IoU > tau / total boxes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.boxes import Box, NotBoxes, iou, parse_boxes
from synth.verifiers.reward import UNDECIDED, Reward, Task, graded


@dataclass(frozen=True, slots=True)
class GroundingVerifier:
    """Matches predicted and true boxes one to one and divides the pairs by the larger number of the two.

    The paper says "total boxes" and nothing of matching. Without it the same box given twice counts twice, and 66 boxes over
    the whole image find everything; here a box that matches nothing costs what a box that is missing costs (ours).
    """

    version: ClassVar[int] = 1

    tau: float = 0.5
    """A pair counts where its IoU is greater (0.5 as in RefCOCO; the paper gives the symbol alone)."""

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the share of boxes that match; ``undecided`` where the truth holds none, a degenerate one, or one twice."""
        try:
            true = parse_boxes(task.truth)
        except NotBoxes:
            true = ()
        if not true or len(set(true)) < len(true) or any(box.degenerate for box in true):
            return Reward(None, UNDECIDED, "truth")
        try:
            predicted = parse_boxes(answer)
        except NotBoxes as refused:
            return Reward(0.0, str(refused), "boxes")
        if predicted and all(box.degenerate for box in predicted):
            return Reward(0.0, "degenerate", "boxes")
        return graded(matches(predicted, true, self.tau) / max(len(predicted), len(true)), "iou")


def matches(predicted: Sequence[Box], true: Sequence[Box], tau: float) -> int:
    """Return the most pairs with IoU > ``tau`` in which no box stands twice; of equal predicted boxes one alone may pair.

    Grown by augmenting paths (Kuhn), which ends at a largest matching (Berge 1957): exact, where a greedy choice by IoU may
    take the one box that another needs.
    """
    distinct = list(dict.fromkeys(predicted))
    near = [[at for at, box in enumerate(true) if iou(found, box) > tau] for found in distinct]
    owner: dict[int, int] = {}
    return sum(_augment(row, near, owner) for row in range(len(distinct)))


def _augment(start: int, near: Sequence[Sequence[int]], owner: dict[int, int]) -> bool:
    """Give row ``start`` a column, moving rows that have one; breadth first, so that no chain of moves is too deep."""
    came_from: dict[int, int] = {}
    queue = [start]
    for row in queue:
        for column in near[row]:
            if column in came_from:
                continue
            came_from[column] = row
            if column not in owner:
                _move(column, start, came_from, owner)
                return True
            queue.append(owner[column])
    return False


def _move(column: int, start: int, came_from: dict[int, int], owner: dict[int, int]) -> None:
    """Hand each column of the path back to ``start`` to the row from which it was reached."""
    given = {row: at for at, row in owner.items()}
    while True:
        row = came_from[column]
        owner[column] = row
        if row == start:
            return
        column = given[row]
