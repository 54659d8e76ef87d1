"""Which of a question's good rollouts become training samples: by length, and by how much they differ (paper 4; rules ours)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import ClassVar

import numpy as np
import pyarrow as pa
from rapidfuzz.distance import Indel

from schemas import columns as c
from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

COMPARED = 4_000
"""Characters of a thought that are compared (ours: the cost grows with their square)."""


@dataclass(frozen=True, slots=True)
class Choose:
    """Keeps up to ``per_question`` of the rollouts of each question; all that it is handed have passed every rule.

    The first is the one whose thought is nearest to the median length, then each time the one that is least like those chosen. The
    rows of a question, which share ``row``, are judged together: a batch holds questions whole.
    """

    version: ClassVar[int] = 1

    per_question: int = 1
    """Rollouts kept of a question at most."""
    max_length_ratio: float = 3.0
    """A thought that is so many times longer than the median of its question's leaves as ``rambling`` (ours)."""
    max_similarity: float = 0.9
    """Normalised similarity to one that was chosen, at most (ours)."""
    keep_forced: tuple[str, ...] = ("grammar",)
    """Kinds of ``forced`` rollouts that may be kept; an answer that a second call asked for teaches a thought that breaks off."""

    def __post_init__(self) -> None:
        """Refuse to choose nothing."""
        if self.per_question < 1:
            raise ValueError(f"per_question: expected at least 1, found {self.per_question}")

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``forced_answer``, ``rambling``, ``similar`` or ``not_chosen`` for the rows that leave."""
        forced = np.array([f is not None and f not in self.keep_forced for f in batch.column(q.FORCED.name).to_pylist()], np.bool_)
        thoughts, rows = strings(batch.column(q.THINKING.name)), batch.column(c.ROW.name).to_pylist()
        ratio, likeness, spare = np.full(len(batch), np.nan), np.full(len(batch), np.nan), np.zeros(len(batch), np.bool_)
        order = sorted((row, at) for at, row in enumerate(rows) if not forced[at])
        for _, group in groupby(order, key=lambda pair: pair[0]):
            self._judge([at for _, at in group], thoughts, ratio, likeness, spare)
        return judge(
            len(batch),
            Rule("forced_answer", forced),
            Rule("rambling", ratio > self.max_length_ratio, ratio, self.max_length_ratio),
            Rule("similar", likeness > self.max_similarity, likeness, self.max_similarity),
            Rule("not_chosen", spare),
        )

    def _judge(self, members: Sequence[int], thoughts: Sequence[str], ratio: np.ndarray, likeness: np.ndarray, spare: np.ndarray) -> None:
        middle = max(median(len(thoughts[at]) for at in members), 1)
        for at in members:
            ratio[at] = round(len(thoughts[at]) / middle, 4)
        left = [at for at in members if ratio[at] <= self.max_length_ratio]
        chosen = [min(left, key=lambda at: (abs(len(thoughts[at]) - middle), at))]
        while len(chosen) < self.per_question and (others := [at for at in left if at not in chosen]):
            alike = {at: max(_similarity(thoughts[at], thoughts[one]) for one in chosen) for at in others}
            nearest = min(others, key=lambda at: (alike[at], at))
            if alike[nearest] > self.max_similarity:
                for at in others:
                    likeness[at] = alike[at]
                return
            chosen.append(nearest)
        spare[[at for at in left if at not in chosen]] = True


def _similarity(left: str, right: str) -> float:
    return round(Indel.normalized_similarity(left[:COMPARED], right[:COMPARED]), 4)
