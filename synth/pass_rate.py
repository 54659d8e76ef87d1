"""How hard a question is: counts of rollouts that passed, what they allow to say of its pass rate, and its tier (paper 4, 5.1 and 5.3).

The paper prescribes pass@k by several models, merged with labels by people, into tiers from very easy to very hard. It gives no k, no
number of tiers and no rule of merging: those are ours, and each says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from schemas.questions import TIERS
from synth import beta

Floats = npt.NDArray[np.float64]
Z95 = 1.959963984540054
"""Half-width of the 95 % interval of a standard normal, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Passes:
    """The rollouts of one model at one question, or of several models after ``merged``."""

    model: str
    n: int
    """Rollouts with a verdict: what a pass rate is a share of."""
    correct: int
    """Those among them that passed."""
    truncated: int = 0
    """Rollouts that were cut off before an answer; not in ``n``, since a longer limit might have made them right."""
    failed: int = 0
    """Rollouts without a verdict, because a server or verifier failed; not in ``n``."""

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.correct <= self.n or min(self.truncated, self.failed) < 0:
            raise ValueError(f"counts must be 0 <= correct <= n and not negative, found {self}")


def count(model: str, rewards: Sequence[float | None], truncated: Sequence[bool], bar: float = 1.0) -> Passes:
    """Return the counts of one model's rollouts; ``rewards`` in [0, 1], None where there is no verdict.

    A rollout passes from a reward of ``bar`` (ours: 1.0; a domain with continuous rewards, such as OCR, sets its own). One that was cut
    off counts as truncated whatever its reward. A thought that was cut and then made to answer (paper 5.3) is not truncated: the caller
    passes False.
    """
    judged = [reward for reward, cut in zip(rewards, truncated, strict=True) if reward is not None and not cut]
    cuts = sum(truncated)
    return Passes(model, len(judged), sum(reward >= bar for reward in judged), cuts, len(rewards) - len(judged) - cuts)


def merged(passes: Sequence[Passes]) -> Passes:
    """Return the sums over several models (paper 5.1), under their names joined by ``+``: each rollout weighs the same (ours).

    Rollouts of different models are no draws from one coin. The pooled rate is that of a rollout by a model picked as often as it was run.
    """
    names = "+".join(dict.fromkeys(p.model for p in passes))
    n, correct, truncated, failed = (sum(values) for values in _columns(passes))
    return Passes(names, n, correct, truncated, failed)


def _columns(passes: Sequence[Passes]) -> tuple[list[int], list[int], list[int], list[int]]:
    return ([p.n for p in passes], [p.correct for p in passes], [p.truncated for p in passes], [p.failed for p in passes])


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: int) -> Floats:
    """Return the unbiased chance that one of ``k`` rollouts passes, when ``c`` of ``n`` did: 1 - C(n-c, k) / C(n, k) (HumanEval).

    Integers of any one shape in, float64 of it out, NaN where n < k: there is no unbiased estimate. The quotient is a product of k
    factors summed as logarithms, so that neither a large n overflows nor a small chance is lost in 1 - 1. Raises ``ValueError`` for k < 1
    or counts that cannot be.
    """
    if k < 1:
        raise ValueError(f"pass@k needs k of at least 1, found {k}")
    total, right = _counts(n, c)
    nothing = np.zeros(total.shape)
    with np.errstate(divide="ignore", invalid="ignore"):  # both only where n < k or n - c < k, which are set below
        for j in range(k):
            nothing = nothing + np.log1p(-right / (total - j))
    return np.where(total < k, np.nan, np.where(total - right < k, 1.0, -np.expm1(nothing)))


def wilson(c: npt.ArrayLike, n: npt.ArrayLike, z: float = Z95) -> tuple[Floats, Floats]:
    """Return both ends of Wilson's interval (1927) of the pass rate when ``c`` of ``n`` passed, float64 of their shape.

    0 and 1 where n is 0. Rollouts that were added because the first were mixed (``more_rollouts``) bend its coverage a little, as they do
    that of any interval. Raises ``ValueError`` for counts that cannot be.
    """
    total, right = _counts(n, c)
    safe = np.maximum(total, 1.0)
    rate, spread = right / safe, z * z / safe
    centre = (rate + spread / 2) / (1 + spread)
    half = np.sqrt(rate * (1 - rate) * spread + spread * spread / 4) / (1 + spread)
    low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
    return np.where(right == 0, 0.0, low), np.where(right == total, 1.0, high)


def _counts(n: npt.ArrayLike, c: npt.ArrayLike) -> tuple[Floats, Floats]:
    total, right = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(c, np.float64))
    if not bool(np.all((right >= 0) & (right <= total))):
        raise ValueError("counts must be 0 <= c <= n; found others: are n and c in each other's place?")
    return total, right


def more_rollouts(
    n: int, c: int, first: int = 4, most: int = 16, *, excluded: int = 0, tokens: float = math.inf, cheap_tokens: float = 2048
) -> int:
    """Return how many rollouts to ask for next, after ``c`` of ``n`` passed and ``excluded`` were cut off or failed; 0 when done.

    Two stages (ours): ``first`` rollouts for each question, then up to ``most`` where the pass rate is worth knowing. That is where some
    passed and some did not, and where none did but a rollout is cheap: ``tokens``, its mean length so far, is at most ``cheap_tokens``.
    An unknown length is not cheap. All right stays at ``first``: 4 of 4 is a pass rate above 0.51 at 95 %, not hard
    whatever it is.
    Excluded rollouts count towards ``most``, so that a question at which all are cut off comes to an end.
    """
    _counts(n, c)
    hopeful = 0 < c < n or (c == 0 and tokens <= cheap_tokens)
    target = first if n < first else (most if hopeful else n)
    return max(0, min(target - n, most - n - excluded))


@dataclass(frozen=True, slots=True)
class Grading:
    """Grades questions by the posterior of their pass rate, in which a label by people counts as a few rollouts (ours).

    The prior is Jeffreys' Beta(1/2, 1/2). A question's tier is the band in which the median of its posterior lies: of all answers that one
    is fewest tiers off, on average over what the pass rate may be. With it, 8 rollouts are graded as 0 | 1-2 | 3-4 | 5-6 | 7-8.
    """

    version: ClassVar[int] = 1

    edges: tuple[float, float, float, float] = (0.0625, 0.3125, 0.5625, 0.8125)
    """Pass rates between very hard, hard, medium, easy and very easy (ours: midways between the eighths above)."""
    prior: float = 0.5
    """Both parameters of the prior (Jeffreys)."""
    human_weight: float = 4.0
    """Rollouts that a label by people counts as, all at the middle of its band (ours: as much as the first stage of rollouts)."""

    def __post_init__(self) -> None:
        """Refuse edges out of order."""
        if list(self.edges) != sorted({*self.edges}) or self.edges[0] <= 0 or self.edges[-1] >= 1:
            raise ValueError(f"edges must rise between 0 and 1, found {self.edges}")

    def band(self, tier: str) -> tuple[float, float]:
        """Return the pass rates that ``tier`` lies between; raises ``ValueError`` for one that is none of the five."""
        if tier not in TIERS:
            raise ValueError(f"a tier is one of {', '.join(TIERS)}; found {tier!r}")
        ends = (0.0, *self.edges, 1.0)
        place = len(TIERS) - 1 - TIERS.index(tier)
        return ends[place], ends[place + 1]

    def middle(self, tier: str) -> float:
        """Return the pass rate in the middle of the band of ``tier``."""
        low, high = self.band(tier)
        return (low + high) / 2

    def masses(self, n: npt.ArrayLike, c: npt.ArrayLike) -> Floats:
        """Return the posterior probability of each tier, shape (..., 5) in the order of ``TIERS``, when ``c`` of ``n`` passed.

        Counts may be fractions: those of older rollouts fade (``synth.curriculum``), and labels by people come as rollouts.
        """
        return np.diff(self._cumulated(n, c), axis=-1)[..., ::-1]

    def places(self, n: npt.ArrayLike, c: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the tier of each pair of counts as its place in ``TIERS``, of their shape."""
        return (self._cumulated(n, c)[..., 1:-1] >= 0.5).sum(axis=-1).astype(np.int64)

    def with_label(self, n: float, c: float, human_tier: str | None) -> tuple[float, float]:
        """Return ``n`` and ``c`` with the label by people added as the rollouts that it counts as."""
        if human_tier is None:
            return n, c
        return n + self.human_weight, c + self.human_weight * self.middle(human_tier)

    def _cumulated(self, n: npt.ArrayLike, c: npt.ArrayLike) -> Floats:
        """Return P(pass rate <= end) at the six ends of the bands, shape (..., 6)."""
        total, right = _counts(n, c)
        inner = beta.cdf(np.array(self.edges), (right + self.prior)[..., None], (total - right + self.prior)[..., None])
        return np.concatenate([np.zeros((*total.shape, 1)), inner, np.ones((*total.shape, 1))], axis=-1)


def tier_of(n: float, c: float, human_tier: str | None = None, grading: Grading | None = None) -> str:
    """Return the tier of a question at which ``c`` of ``n`` rollouts passed and that people labelled ``human_tier``, if they did.

    Without rollouts it is the label itself; without either, the middle of the prior: medium. The rule is that of ``Grading``.
    """
    graded = grading or Grading()
    if n == 0 and human_tier is not None:
        graded.band(human_tier)  # refuses a label that is no tier
        return human_tier
    return TIERS[int(graded.places(*graded.with_label(n, c, human_tier)))]
