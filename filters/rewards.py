"""Rules on what verifiers and graders said."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import questions as q
from schemas.batches import numbers, strings
from schemas.exits import Rule, Verdict, judge


@dataclass(frozen=True, slots=True)
class RewardAtLeast:
    """Drops rollouts whose answer did not pass. Reads ``reward``, ``reward_reason`` and ``truth``; what has no truth is not judged."""

    version: ClassVar[int] = 1

    min_reward: float = 1.0
    """Reward of an answer that passes (ours; a graded one, such as that of OCR, is all or nothing too unless this is lowered)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``no_verdict`` where nothing could be said, which is not the same as ``wrong_answer``."""
        reward = numbers(batch.column(q.REWARD.name))
        verifiable = batch.column(q.TRUTH.name).is_valid().to_numpy(zero_copy_only=False)
        timeout = np.array([reason == "timeout" for reason in strings(batch.column(q.REWARD_REASON.name))], np.bool_)
        silent = verifiable & np.isnan(reward)
        return judge(
            len(batch),
            Rule("verifier_timeout", silent & timeout),
            Rule("no_verdict", silent),
            Rule("wrong_answer", verifiable & (np.nan_to_num(reward) < self.min_reward), reward, self.min_reward),
        )


@dataclass(frozen=True, slots=True)
class PassBand:
    """Drops questions that a model finds too easy or too hard (paper 4). Reads ``pass_rate``; one that was not graded passes by."""

    version: ClassVar[int] = 1

    min_rate: float = 0.1
    """Pass rate at least; 0 keeps those that nothing solves (open-r1: above 0.1)."""
    max_rate: float = 0.9
    """Pass rate at most (open-r1: below 0.9)."""

    def __post_init__(self) -> None:
        """Refuse a band that is none."""
        if not 0 <= self.min_rate <= self.max_rate <= 1:
            raise ValueError(f"expected 0 <= min_rate <= max_rate <= 1, found {self.min_rate} and {self.max_rate}")

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``too_hard`` and ``too_easy``."""
        rate = numbers(batch.column(q.PASS_RATE.name))
        return judge(
            len(batch),
            Rule("too_hard", rate < self.min_rate, rate, self.min_rate),
            Rule("too_easy", rate > self.max_rate, rate, self.max_rate),
        )
