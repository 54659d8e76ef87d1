"""Whether a label can be right: the verifier must accept the truth for itself, and none of the wrong options (paper 5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from schemas import questions as q
from schemas.exits import Addition
from synth.fill_in import choice_of
from synth.verifiers.reward import UNDECIDED, Task, Verifier
from synth.verify import verifier_of

NO_VERIFIER, NOT_ACCEPTED, ACCEPTED = "no_verifier", "truth_not_accepted", "distractor_accepted"
NO_CHOICE = "truth_is_no_choice"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Adds ``label_fault``. Reads ``question``, ``truth``, ``choices``, ``domain`` and, where there is one, ``distractors``."""

    version: ClassVar[int] = 1

    def __call__(self, batch: pa.RecordBatch, *, verifiers: Mapping[str, Verifier], judged: bool = False) -> Addition:
        """Return why each label cannot be right, null where nothing speaks against it; ``judged`` says that a judge decides the rest."""
        names = (q.QUESTION_TEXT, q.TRUTH, q.CHOICES, q.DOMAIN, q.DISTRACTORS)
        there = batch.select([f.name for f in names if f.name in batch.schema.names])
        faults = [_fault(row, verifiers, judged) for row in there.to_pylist()]
        nothing = pa.nulls(len(batch), pa.string())
        return Addition({q.LABEL_FAULT.name: pa.array(faults, pa.string())}, nothing, nothing)


def _fault(row: Mapping[str, Any], verifiers: Mapping[str, Verifier], judged: bool) -> str | None:
    truth, choices, question = row[q.TRUTH.name], row[q.CHOICES.name], row[q.QUESTION_TEXT.name] or ""
    verifier = verifier_of(row[q.DOMAIN.name], choices, verifiers)
    if truth is None or (verifier is None and not judged):
        return NO_VERIFIER
    if choices and choice_of(question, choices, truth) is None:
        return NO_CHOICE
    if verifier is None:
        return None
    task = Task(truth, question, tuple(choices or ()))
    own = verifier(truth, task)
    if own.value != 1.0 and not (judged and own.reason == UNDECIDED):
        return NOT_ACCEPTED
    return ACCEPTED if any(verifier(option, task).value == 1.0 for option in row.get(q.DISTRACTORS.name) or ()) else None
