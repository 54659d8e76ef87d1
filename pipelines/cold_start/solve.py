"""The heart of the cold start: roll each question out, judge the rollouts, choose among what passed."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from filters.choose import Choose
from pipelines.questions.roll_out import RollOut
from pipelines.spine.nested import nest
from pipelines.spine.steps import run_step, under_way
from schemas import columns as c
from schemas import questions as q
from schemas.batches import take_rows
from schemas.exits import Rule, Verdict, judge

ROLLOUTS = "rollouts"
"""Nested column of the rollouts, those that left among them."""
SOLVE = "Roll each question out"
CHOOSE = "Choose among the rollouts that passed"
KEEP = "Drop questions without a rollout that is good enough"


@dataclass(frozen=True)
class Solve:
    """Adds the rollouts of the solver to the questions under way."""

    solver: RollOut
    rollouts: int
    choose: Choose

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with its rollouts; a question of which none is chosen leaves."""
        children = run_step(self.solver(batch, under_way(batch), 0, self.rollouts), CHOOSE, self.choose)
        chosen = set(take_rows(children, under_way(children)).column(c.ROW.name).to_pylist())
        return run_step(nest(batch, ROLLOUTS, children, q.ROLLED_OUT), KEEP, lambda rows: _has_one(rows, chosen))


def _has_one(rows: pa.RecordBatch, chosen: set[int]) -> Verdict:
    none = np.array([row not in chosen for row in rows.column(c.ROW.name).to_pylist()], np.bool_)
    return judge(len(rows), Rule("no_rollout_kept", none))
