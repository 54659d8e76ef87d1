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
    distances = sorted({*np.abs(lean).tolist()})
    sides = [(np.flatnonzero(lean == -away), np.flatnonzero((lean == away) & (away > 0))) for away in distances]
    taken = _counts(distances, [(len(wrong), len(right)) for wrong, right in sides], wanted, target)
    pairs = [pair for side, counts in zip(sides, taken, strict=True) for pair in zip(side, counts, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *(found[np.argsort(order[found], kind="stable")[:k]] for found, k in pairs)])


def _counts(distances: Sequence[int], available: Sequence[tuple[int, int]], wanted: int, target: int) -> list[tuple[int, int]]:
    """Return how many to take at each distance, to the wrong and to the right side; as many as can be of the first distances."""
    lift = max(distances, default=0)
    reachable = _reachable([(lift - away, lift + away) for away in distances], available, wanted)
    paths: _Paths = dict.fromkeys(_nearest_bits(reachable[0][wanted], target + wanted * lift), ())
    left = wanted
    for away, most, after in zip(distances, available, reachable[1:], strict=True):
        steps = ((k, _steps(paths, k, away, lift, most, after[left - k])) for k in range(min(sum(most), left), -1, -1))
        k, paths = next((k, found) for k, found in steps if found)
        left -= k
    return list(next(iter(paths.values())))


_Paths = dict[int, tuple[tuple[int, int], ...]]
"""What is still to be summed up, and what was taken to come there."""


def _steps(paths: _Paths, k: int, away: int, lift: int, most: tuple[int, int], reachable: int) -> _Paths:
    """Return the ways on that take ``k`` groups at the distance ``away`` and from which the rest can be reached."""
    found: _Paths = {}
    for rest, taken in paths.items():
        for right in range(max(0, k - most[0]), min(k, most[1]) + 1):
            after = rest - k * lift - away * (2 * right - k)
            if after >= 0 and reachable >> after & 1:
                found.setdefault(after, (*taken, (k - right, right)))
    return found


def _reachable(steps: Sequence[tuple[int, int]], available: Sequence[tuple[int, int]], wanted: int) -> list[list[int]]:
    """Return, for each distance and past the last, the sums that 0 to ``wanted`` groups of it and later ones can reach, as bits."""
    sums = [1] + [0] * wanted
    found = [sums]
    for sides, most in zip(reversed(steps), reversed(available), strict=True):
        sums = sums.copy()
        for step, several in zip(sides, most, strict=True):
            for _ in range(min(several, wanted)):
                for j in range(wanted, 0, -1):
                    sums[j] |= sums[j - 1] << step
        found.append(sums)
    return found[::-1]


def _nearest_bits(bits: int, target: int) -> list[int]:
    """Return the places of the set bits nearest to ``target``, one or two; ``bits`` has one at least."""
    away = 0
    while not (found := [place for place in sorted({target - away, target + away}) if place >= 0 and bits >> place & 1]):
        away += 1
    return found
