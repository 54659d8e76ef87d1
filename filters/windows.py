"""All windows of one length over a text, as numbers: what comes back in it, and what it shares with another.

A window is a polynomial over its places modulo 2**64, got for all places at once from one running sum. Two different windows get one
number about once in 2**64 pairs, unless somebody builds them to.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from filters.words import UNSPACED

Numbers = npt.NDArray[np.uint64]

_UNSPACED = re.compile(rf"[{UNSPACED}]")
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


def characters(text: str) -> Numbers:
    """Return the code points of ``text``, shape (characters,); a lone surrogate is one too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)


def terms(items: Sequence[str]) -> Numbers:
    """Return a number for each of ``items``, shape (n,): the same one for equal items of one process."""
    return np.fromiter(map(hash, items), np.int64, len(items)).view(np.uint64)


def windows(items: Numbers, size: int) -> Numbers:
    """Return the number of the window of ``size`` items at each place, shape (n - size + 1,), empty where there is none."""
    if len(items) < size:
        return np.empty(0, np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_mixed(items) * _powers(_BASE, len(items)), dtype=np.uint64)])
    return (sums[size:] - sums[:-size]) * _powers(_INVERSE, len(items) - size + 1)


def repeats(found: Numbers) -> tuple[int, npt.NDArray[np.int64]]:
    """Return how often the most frequent window occurs, and how many places before each the same one stood last, shape (n,).

    The first is 0 where there is no window, the second where it is new.
    """
    order = np.argsort(found, kind="stable")
    same = found[order[1:]] == found[order[:-1]]
    steps = np.zeros(len(found), np.int64)
    steps[order[1:][same]] = (order[1:] - order[:-1])[same]
    runs = np.diff(np.flatnonzero(~np.concatenate([[False], same, [False]])))
    return int(runs.max(initial=0)) if len(found) else 0, steps


def longest_block(steps: npt.NDArray[np.int64], size: int) -> int:
    """Return the length in items of the longest stretch that stood before as a whole, by the ``repeats`` of its windows."""
    breaks = np.flatnonzero(np.diff(steps, prepend=-1, append=-1))
    lengths, starts = np.diff(breaks), breaks[:-1]
    longest = int(lengths[steps[starts] > 0].max(initial=0))
    return longest + size - 1 if longest else 0


def words_in(items: Sequence[str], size: int) -> int:
    """Return how many of ``items`` make ``size`` words: twice as many where most are characters of an unspaced script."""
    return 2 * size if 2 * len(_UNSPACED.findall("".join(items))) > len(items) else size


def shared_share(items: Numbers, other: Numbers, length: int) -> float:
    """Return the share of ``items`` in runs of ``length`` items that ``other`` has too, 0-1, rounded to 4 decimals."""
    known = np.isin(windows(items, length), windows(other, length))
    covered = np.convolve(known, np.ones(length, np.int64)) > 0 if known.any() else known
    return round(float(np.count_nonzero(covered)) / len(items), 4) if len(items) else 0.0


def _mixed(items: Numbers) -> Numbers:
    spread = (items + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    return spread ^ (spread >> np.uint64(31))


def _powers(base: int, count: int) -> Numbers:
    return np.cumprod(np.full(count, base, np.uint64), dtype=np.uint64)
