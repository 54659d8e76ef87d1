"""Grading: what share of the rollouts of one or several models passes, asked for in two stages (paper 4 and 5.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.questions.roll_out import RollOut, together
from pipelines.spine.nested import nest
from pipelines.spine.steps import under_way
from schemas import columns as c
from schemas import questions as q
from schemas.batches import column_or_nulls, set_columns
from synth.difficulty import columns_of, passes_of
from synth.pass_rate import Passes, more_rollouts

GRADED = "graded"
"""Nested column of the rollouts that questions are graded by; none of them is a training sample."""


@dataclass(frozen=True)
class Stages:
    """How many rollouts each model is asked for."""

    version: ClassVar[int] = 1

    first: int = 4
    """Of each question (ours)."""
    most: int = 16
    """Where the first leave it open how hard the question is (``synth.pass_rate.more_rollouts``)."""
    cheap_tokens: float = 2048
    """Mean tokens of a rollout up to which a question that nothing solved is asked on (ours)."""

    def __post_init__(self) -> None:
        """Refuse stages that are none."""
        if not 1 <= self.first <= self.most:
            raise ValueError(f"expected 1 <= first <= most, found {self.first} and {self.most}")


@dataclass(frozen=True)
class Grade:
    """Adds the columns of ``DIFFICULTY`` to the questions under way, and the rollouts behind them."""

    models: tuple[RollOut, ...]
    stages: Stages
    bar: float
    """Reward of a rollout that passes."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` graded; every model has its first rollouts before any has more."""
        mask = under_way(batch)
        parts = [model(batch, mask, 0, self.stages.first) for model in self.models]
        if self.stages.most > self.stages.first:
            more = [self._open(batch, part) for part in parts]
            parts += [model(batch, open_, self.stages.first, self.stages.most) for model, open_ in zip(self.models, more, strict=True)]
        children = together(parts)
        return nest(set_columns(batch, self._columns(batch, children)), GRADED, children, q.ROLLED_OUT)

    def _open(self, batch: pa.RecordBatch, part: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return which questions the rollouts ``part`` leave open, shape (n,)."""
        mask = np.zeros(len(batch), np.bool_)
        for row, rollouts in _by_row(part).items():
            (found,) = passes_of(rollouts, self.bar)
            mask[row] = self._wants_more(found, rollouts)
        return mask

    def _wants_more(self, found: Passes, rollouts: Sequence[Mapping[str, Any]]) -> bool:
        tokens = float(np.mean([row[c.COMPLETION_TOKENS.name] or 0 for row in rollouts]))
        excluded = found.truncated + found.failed
        first, most, cheap = self.stages.first, self.stages.most, self.stages.cheap_tokens
        return more_rollouts(found.n, found.correct, first, most, excluded=excluded, tokens=tokens, cheap_tokens=cheap) > 0

    def _columns(self, batch: pa.RecordBatch, children: pa.RecordBatch) -> dict[str, pa.Array]:
        by_row = _by_row(children)
        rows = [by_row.get(row, []) for row in range(len(batch))]
        passes = [passes_of(rollouts, self.bar) for rollouts in rows]
        return columns_of(passes, [_tokens(rollouts) for rollouts in rows], batch.column(q.HUMAN_TIER.name).to_pylist())


READ = (c.ROW, q.MODEL, c.FINISH_REASON, q.REWARD, q.REWARD_REASON, c.EXIT, c.COMPLETION_TOKENS)


def _by_row(children: pa.RecordBatch) -> dict[int, list[dict[str, Any]]]:
    """Return what grades are made of, by the row of the question."""
    columns = pa.RecordBatch.from_arrays([column_or_nulls(children, field) for field in READ], names=[field.name for field in READ])
    found: dict[int, list[dict[str, Any]]] = {}
    for row in columns.to_pylist():
        found.setdefault(row[c.ROW.name], []).append(row)
    return found


def _tokens(rollouts: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    lengths: dict[str, list[int]] = {}
    for row in rollouts:
        if row[c.COMPLETION_TOKENS.name]:
            lengths.setdefault(row[q.MODEL.name], []).append(row[c.COMPLETION_TOKENS.name])
    return lengths
