"""Questions that nothing solved: too hard, or with a label that the rollouts agree to contradict (paper 5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from filters.labels import Hope
from pipelines.questions.grade import GRADED
from pipelines.questions.verifiers import VerifierSpec
from pipelines.spine import nested
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step
from schemas import columns as c
from schemas import questions as q
from schemas.batches import set_columns
from schemas.exits import DROPPED
from synth.hopeless import Hopeless, split_hopeless
from synth.verifiers.reward import Task, Verifier
from synth.verify import verifier_of

SUSPECT = "Set questions apart whose label the rollouts contradict"
COLUMNS = (q.HOPELESS, q.OTHER_ANSWER, q.OTHER_VOTES)


@dataclass(frozen=True)
class Suspects:
    """Tells the two apart and lets go of those that ``hope`` says."""

    verifiers: VerifierSpec
    hope: Hope = field(default_factory=Hope)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with ``hopeless``, ``other_answer`` and ``other_votes``, null where a rollout passed or none was judged."""
        answers = _answers(batch)
        rows = batch.select([f.name for f in (c.ROW, q.DOMAIN, q.CHOICES, q.QUESTION_TEXT, q.N_SAMPLES, q.N_CORRECT)]).to_pylist()
        verifiers = loaded(self.verifiers)
        found = [_split(row, answers.get(row[c.ROW.name], {}), verifiers) for row in rows]
        values = [[one and getattr(one, name) for one in found] for name in ("why", "answer", "votes")]
        added = {f.name: pa.array(column, f.type) for f, column in zip(COLUMNS, values, strict=True)}
        return run_step(set_columns(batch, added), SUSPECT, self.hope)


def _answers(batch: pa.RecordBatch) -> dict[int, dict[str, list[str]]]:
    """Return, by row and model, what rollouts answered that were judged and found wrong."""
    rollouts = nested.rows_of(batch, GRADED, [c.ROW.name])
    names = [f.name for f in (c.ROW, q.MODEL, q.ANSWER, c.EXIT, q.REWARD)]
    found: dict[int, dict[str, list[str]]] = {}
    for row, model, answer, door, reward in zip(*(rollouts.column(name).to_pylist() for name in names), strict=True):
        if door == DROPPED and answer and reward is not None and not np.isnan(reward):
            found.setdefault(row, {}).setdefault(model, []).append(answer)
    return found


def _split(row: Mapping[str, Any], answers: Mapping[str, list[str]], verifiers: Mapping[str, Verifier]) -> Hopeless | None:
    if not row[q.N_SAMPLES.name] or row[q.N_CORRECT.name]:
        return None
    verifier = verifier_of(row[q.DOMAIN.name], row[q.CHOICES.name], verifiers)
    choices = tuple(row[q.CHOICES.name] or ())

    def equal(one: str, other: str) -> bool:
        return one == other or (verifier is not None and verifier(other, Task(one, row[q.QUESTION_TEXT.name] or "", choices)).value == 1.0)

    return split_hopeless(answers, equal)
