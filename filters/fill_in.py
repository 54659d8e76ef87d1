"""Rules on questions that were rewritten from multiple choice: the answer must not stand in them, and must be the only one."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from filters.words import normalised
from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

_OPTIONS = re.compile(
    r"which of (?:the|these)|of the following|the options?\b|\b(?:[A-D]|[1-4])\)|\([A-D]\)|以下|下列|哪一?项|选项|哪个选项", re.IGNORECASE
)
"""How a question speaks of its options."""
_OPEN = re.compile(r"all of (?:the|these)|none of|both|neither|以上|都不|都是|\b[A-D] and [A-D]\b", re.IGNORECASE)
"""How an option speaks of the others: such a choice has no answer of its own."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class FillInRules:
    """Drops choices that could not be asked without their options. Reads ``rewritten_from``, ``question``, ``truth`` and ``distractors``.

    What was no multiple choice passes by. ``distractor_accepted`` says that the verifier takes a wrong option for the truth, and
    ``truth_not_accepted`` that it does not take the truth: both are columns that a synth step adds.
    """

    version: ClassVar[int] = 1

    min_chars: int = 8
    """Characters of a rewritten question at least (ours)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return for each row the first rule that its rewritten question breaks."""
        before, now, truth = (strings(batch.column(f.name)) for f in (q.REWRITTEN_FROM, q.QUESTION_TEXT, q.TRUTH))
        rewritten = batch.column(q.REWRITTEN_FROM.name).is_valid().to_numpy(zero_copy_only=False)
        options = [[*(found or ()), own] for found, own in zip(batch.column(q.DISTRACTORS.name).to_pylist(), truth, strict=True)]
        faults = {
            "open_option": [any(_OPEN.search(option) for option in found) for found in options],
            "short_rewriting": [len(text) < self.min_chars for text in now],
            "mentions_options": [bool(_OPTIONS.search(text)) for text in now],
            "answer_in_question": [
                _stands_in(own, text) and not _stands_in(own, old) for own, text, old in zip(truth, now, before, strict=True)
            ],
            "lost_number": [not _numbers(old) <= _numbers(text) for old, text in zip(before, now, strict=True)],
        }
        return judge(len(batch), *(Rule(reason, rewritten & np.array(fails, np.bool_)) for reason, fails in faults.items()))


def _stands_in(answer: str, question: str) -> bool:
    """Tell whether the words of ``answer`` stand in ``question`` one behind the other."""
    said, asked = normalised(answer), normalised(question)
    return bool(said) and re.search(rf"(?<!\w){re.escape(said)}(?!\w)" if said.isascii() else re.escape(said), asked) is not None


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(text))
