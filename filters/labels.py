"""Rules on the labels of questions: whether anything can hold an answer against them, and whether they can be right (paper 5.1)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

FAULTS = ("no_verifier", "truth_is_no_choice", "truth_not_accepted", "distractor_accepted")


@dataclass(frozen=True, slots=True)
class SoundLabel:
    """Drops questions whose label cannot be right. Reads ``label_fault``, which ``synth.label_check`` adds."""

    version: ClassVar[int] = 1

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return the fault of each label."""
        found = strings(batch.column(q.LABEL_FAULT.name))
        return judge(len(batch), *(Rule(fault, np.array([said == fault for said in found], np.bool_)) for fault in FAULTS))


@dataclass(frozen=True, slots=True)
class Hope:
    """What becomes of questions that no rollout solved. Reads ``hopeless``."""

    version: ClassVar[int] = 1

    drop_suspect: bool = True
    """A label that the rollouts contradict leaves for the audit list."""
    drop_too_hard: bool = False
    """A question that nothing solves stays: later checkpoints may, and the curriculum seldom draws it (paper 5.3)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``suspect_label`` and ``too_hard``."""
        found = strings(batch.column(q.HOPELESS.name))
        suspect, hard = (np.array([said == name for said in found], np.bool_) for name in ("suspect_label", "too_hard"))
        return judge(len(batch), Rule("suspect_label", suspect & self.drop_suspect), Rule("too_hard", hard & self.drop_too_hard))
