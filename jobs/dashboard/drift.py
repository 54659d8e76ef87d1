"""How far apart two distributions are, of counts in bins with common edges. Pure functions."""

import math
from collections.abc import Sequence

EMPTY = 1e-4
"""Share that stands in for an empty bin, whose logarithm is infinite (the value that Evidently fills zeroes with)."""


def psi(a: Sequence[int], b: Sequence[int]) -> float:
    """Return the population stability index: the sum over bins of (q - p) ln(q / p), where p and q are the shares of ``a`` and ``b``.

    It is the symmetrised Kullback-Leibler divergence (Jeffreys 1946) under its name in credit scoring (Siddiqi, Credit Risk Scorecards,
    2006), where below 0.1 is taken for stable and above 0.25 for shifted. An empty bin counts as ``EMPTY``. 0 where either has no rows.
    """
    if not sum(a) or not sum(b):
        return 0.0
    shares = zip(_shares(a), _shares(b), strict=True)
    return sum((q - p) * math.log(q / p) for p, q in ((max(p, EMPTY), max(q, EMPTY)) for p, q in shares))


def ks(a: Sequence[int], b: Sequence[int]) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic: the largest distance of the distribution functions of ``a`` and ``b``.

    Kolmogorov 1933, Smirnov 1948. Of bins it is taken at their edges, so it is at most that of the values. 0 where either has no rows.
    """
    if not sum(a) or not sum(b):
        return 0.0
    distance = below_a = below_b = 0.0
    for p, q in zip(_shares(a), _shares(b), strict=True):
        below_a, below_b = below_a + p, below_b + q
        distance = max(distance, abs(below_a - below_b))
    return distance


def common(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """Return the edges that both have, ascending."""
    return sorted(set(a) & set(b))


def rebinned(edges: Sequence[float], rows: Sequence[int], kept: Sequence[float]) -> list[int]:
    """Return ``rows``, one more than the ascending ``edges``, as counts of the fewer bins between the edges ``kept``.

    Raises ``ValueError`` where there are not as many counts as edges and one, or ``kept`` has an edge of its own.
    """
    if len(rows) != len(edges) + 1 or set(kept) - set(edges):
        raise ValueError(f"expected {len(edges) + 1} counts for {len(edges)} edges and a part of those, found {len(rows)} and {list(kept)}")
    merged, wanted = [rows[0]], set(kept)
    for edge, count in zip(edges, rows[1:], strict=True):
        if edge in wanted:
            merged.append(count)
        else:
            merged[-1] += count
    return merged


def _shares(rows: Sequence[int]) -> list[float]:
    total = sum(rows)
    return [count / total for count in rows]
