"""The part of an oversampled batch that is trained on: as many right rollouts as wrong ones (paper 5.3)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.batches import draw

Ints = npt.NDArray[np.int64]


def choose_balanced(ids: Sequence[str], n: npt.ArrayLike, correct: npt.ArrayLike, wanted: int, seed: int = 0) -> list[str]:
    """Return ``wanted`` of ``ids`` (fewer where there are fewer), in the order given, whose rollouts are nearest to half right.

    Group ``i`` had ``n[i]`` rollouts with a verdict, of which ``correct[i]`` passed; both are integers of shape (len(ids),). The paper asks
    for counts of right and wrong closest to balanced; in full (ours): as many groups as possible that are neither all right nor all wrong,
    since others teach nothing; of such choices, one at which the sums of right and of wrong rollouts differ least; of those, the one that
    takes most groups that are nearest to half, one distance after the other. Which of equal groups is taken, a draw by ``seed`` and id
    says, so the order of ``ids`` does not matter. A group without a verdict is never chosen.

    Exact: sums that can be reached are kept as bits of integers. 512 of 1,024 groups of 16 take 0.1 s. Raises ``ValueError`` for counts
    that cannot be, or for a negative ``wanted``.
    """
    total, right = np.asarray(n, np.int64), np.asarray(correct, np.int64)
    if not (len(ids) == len(total) == len(right)) or bool(np.any((right < 0) | (right > total))) or wanted < 0:
        raise ValueError("one pair of counts for each id, 0 <= correct <= n, and wanted of at least 0: found others")
    lean = 2 * right - total
    mixed = np.flatnonzero((right > 0) & (right < total))
    flat = np.flatnonzero((total > 0) & ((right == 0) | (right == total)))
    sure, pool = (mixed[:0], mixed) if len(mixed) >= wanted else (mixed, flat)
    places = _nearest(lean[pool], min(wanted - len(sure), len(pool)), -int(lean[sure].sum()), draw(seed, [ids[i] for i in pool.tolist()]))
    return [ids[i] for i in sorted([*sure.tolist(), *pool[places].tolist()])]


def _nearest(lean: Ints, wanted: int, target: int, order: npt.NDArray[np.float64]) -> Ints:
    """Return ``wanted`` places of ``lean`` whose sum is nearest to ``target``."""
    kinds = sorted({*lean.tolist()}, key=lambda value: (abs(value), value))
    places = [np.flatnonzero(lean == kind) for kind in kinds]
    taken = _counts(kinds, [len(found) for found in places], wanted, target)
    chosen = [found[np.argsort(order[found], kind="stable")[:k]] for found, k in zip(places, taken, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *chosen])


def _counts(kinds: Sequence[int], available: Sequence[int], wanted: int, target: int) -> list[int]:
    """Return how many of each kind to take, ``wanted`` in all, for a sum nearest to ``target``; most of the first kinds."""
    lift = max((abs(kind) for kind in kinds), default=0)
    steps = [kind + lift for kind in kinds]
    reachable = _reachable(steps, available, wanted)
    best = _nearest_bit(reachable[0][wanted], target + wanted * lift)
    taken: list[int] = []
    left = wanted
    for step, most, after in zip(steps, available, reachable[1:], strict=True):
        fits = (k for k in range(min(most, left), -1, -1) if best >= k * step and after[left - k] >> (best - k * step) & 1)
        taken.append(next(fits))
        left, best = left - taken[-1], best - taken[-1] * step
    return taken


def _reachable(steps: Sequence[int], available: Sequence[int], wanted: int) -> list[list[int]]:
    """Return, for each kind and past the last, the sums that 0 to ``wanted`` groups of it and later kinds can reach, as bits."""
    sums = [1] + [0] * wanted
    found = [sums]
    for step, most in zip(reversed(steps), reversed(available), strict=True):
        sums = sums.copy()
        for _ in range(min(most, wanted)):
            for j in range(wanted, 0, -1):
                sums[j] |= sums[j - 1] << step
        found.append(sums)
    return found[::-1]


def _nearest_bit(bits: int, target: int) -> int:
    """Return the place of the set bit nearest to ``target``, the lower of two; ``bits`` has one at least."""
    away = 0
    while True:
        for place in (target - away, target + away):
            if place >= 0 and bits >> place & 1:
                return place
        away += 1
