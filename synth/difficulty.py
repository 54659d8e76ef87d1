"""How hard questions are, from the rollouts that were judged: the columns of ``schemas.questions.DIFFICULTY`` (paper 4 and 5.1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import columns as c
from schemas import questions as q
from schemas.protocols import CUT
from synth.pass_rate import Passes, count, merged, tier_of, wilson


def passes_of(rollouts: Sequence[Mapping[str, Any]], bar: float) -> list[Passes]:
    """Return the counts of each model, in the order of their names; ``rollouts`` are rows of one question with reward and exit.

    A response that broke the format earned nothing: it is judged and wrong, as in reinforcement learning (paper 5.2). One that was cut
    off, and one without a verdict, is counted apart.
    """
    models = sorted({row[q.MODEL.name] for row in rollouts})
    return [_of_model(model, [row for row in rollouts if row[q.MODEL.name] == model], bar) for model in models]


def columns_of(
    passes: Sequence[Sequence[Passes]], tokens: Sequence[Mapping[str, Sequence[int]]], human: Sequence[str | None]
) -> dict[str, pa.Array]:
    """Return the columns of n questions; one without a rollout is null."""
    sums = [merged(found) for found in passes]
    n, right = np.array([s.n for s in sums]), np.array([s.correct for s in sums])
    low, high = wilson(right, n)
    graded = n > 0
    rate = np.round(right / np.maximum(n, 1), 4)
    tiers = [tier_of(s.n, s.correct, label) if s.n or label else None for s, label in zip(sums, human, strict=True)]
    rows = [[_row(one, lengths.get(one.model, ())) for one in found] for found, lengths in zip(passes, tokens, strict=True)]
    return {
        q.PASSES.name: pa.array([row or None for row in rows], q.PASSES.type),
        q.PASS_RATE.name: pa.array(rate, pa.float32(), mask=~graded),
        q.PASS_LOW.name: pa.array(np.round(low, 4), pa.float32(), mask=~graded),
        q.PASS_HIGH.name: pa.array(np.round(high, 4), pa.float32(), mask=~graded),
        q.N_SAMPLES.name: pa.array(n, pa.int32(), mask=~graded),
        q.N_CORRECT.name: pa.array(right, pa.int32(), mask=~graded),
        q.TIER.name: pa.array(tiers, pa.string()),
    }


def _of_model(model: str, rows: Sequence[Mapping[str, Any]], bar: float) -> Passes:
    cut = [(row[c.FINISH_REASON.name] or "").casefold() in CUT for row in rows]
    return count(model, [_reward(row) for row in rows], cut, bar)


def _reward(row: Mapping[str, Any]) -> float | None:
    """Return what a rollout earned: nothing where a rule on its format dropped it before a verifier saw it, null where none could say."""
    unseen = row[q.REWARD_REASON.name] is None
    return 0.0 if unseen and row[c.EXIT.name] == "dropped" else row[q.REWARD.name]


def _row(passes: Passes, tokens: Sequence[int]) -> dict[str, Any]:
    lengths = np.array(tokens or [0], np.float64)
    return {
        "model": passes.model,
        "n": passes.n,
        "correct": passes.correct,
        "truncated": passes.truncated,
        "failed": passes.failed,
        "tokens_mean": round(float(lengths.mean()), 1),
        "tokens_p95": round(float(np.quantile(lengths, 0.95)), 1),
    }
