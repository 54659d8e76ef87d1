"""Whole numbers from shares, and who is next: the two draws of the curriculum."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.batches import draw

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def quotas(shares: Floats, total: int, offset: float, room: Ints | None = None) -> Ints:
    """Return whole numbers in the proportions of ``shares``, shape (n,), which sum to ``total``, or to all ``room`` where that is less.

    Systematic rounding: each number is within one of its exact share, and that share on average over ``offset``, uniform in [0, 1). So a
    share of a hundredth of a slot gets one in a hundred batches. No number passes its ``room``; what is left over goes to the others in
    proportion, and to shares of 0 when no others have room.
    """
    limits = np.full(len(shares), total, np.int64) if room is None else room
    found = np.zeros(len(shares), np.int64)
    while (left := min(total, int(limits.sum())) - int(found.sum())) > 0:
        free = found < limits
        wanted = np.where(free, shares, 0.0)
        found = np.minimum(found + _rounded(wanted if wanted.any() else free.astype(np.float64), left, offset), limits)
    return found


def _rounded(shares: Floats, total: int, offset: float) -> Ints:
    ends = np.cumsum(shares)
    inner = np.clip(np.floor(ends[:-1] / ends[-1] * total + offset), 0, total).astype(np.int64)
    return np.diff(np.concatenate([np.zeros(1, np.int64), inner, np.full(1, total, np.int64)]))


def least_asked(seed: int, ids: Sequence[str], asked: Ints, wanted: int) -> Ints:
    """Return the places of ``wanted`` of ``ids``, those asked least often first; a draw by seed, id and ``asked`` decides among equals."""
    if wanted <= 0:
        return np.zeros(0, np.int64)
    limit = np.partition(asked, wanted - 1)[wanted - 1]
    sure, equal = np.flatnonzero(asked < limit), np.flatnonzero(asked == limit)
    drawn = draw(seed, (f"prompt:{limit}:{ids[i]}" for i in equal.tolist()))
    return np.concatenate([sure, equal[np.argsort(drawn, kind="stable")[: wanted - len(sure)]]])
