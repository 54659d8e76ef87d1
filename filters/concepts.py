"""Concept balance: samples whose concepts are all common are thinned out, those with a rare one stay (MetaCLIP; paper 3.1).

How often each entry of a vocabulary stands in a pool is counted first (``count``, added up over batches); then each sample is kept
with a probability that follows from the counts of its concepts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.vocabulary import Vocabulary
from schemas import columns as c
from schemas.batches import draw
from schemas.exits import Rule, Verdict, judge

Counts = npt.NDArray[np.int64]
"""Shape (v,), int64: in how many texts each of v entries stands."""
Matches = Sequence[Sequence[int]]
"""Of n texts, the distinct positions of the entries that stand in each."""

DECIMALS = 9
"""Places that a probability is rounded to before it is stored or decides (ours): one sample in a thousand million."""


@dataclass(frozen=True, slots=True)
class ConceptBalance:
    """Drops samples without a concept, and of those with common concepts alone all but a share. Reads ``sample_id``, ``alt_text``.

    Raises ``ValueError`` where not exactly one of ``t`` and ``tail_share`` is given, or a number is out of its range.
    """

    version: ClassVar[int] = 1

    t: int | None = None
    """Matches up to which an entry is left whole. MetaCLIP took 20,000 for 400M pairs and 170,000 for a larger set: it goes with the
    size of the pool."""
    tail_share: float | None = 0.1
    """Share of all matches that the entries left whole hold, 0-1, from which ``t`` follows (default of MetaCLIP 2's `p_to_t`)."""
    unmatched: Literal["drop", "keep"] = "drop"
    """What becomes of a sample in whose text no entry stands (MetaCLIP drops it)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.t is None) == (self.tail_share is None):
            raise ValueError(f"expected one of t and tail_share, found t={self.t} and tail_share={self.tail_share}; set the other to null")
        if self.t is not None and self.t < 1:
            raise ValueError(f"t is a number of matches, expected at least 1, found {self.t}")
        if self.tail_share is not None and not 0 < self.tail_share < 1:
            raise ValueError(f"tail_share is a share of all matches, expected more than 0 and less than 1, found {self.tail_share}")
        if self.unmatched not in ("drop", "keep"):
            raise ValueError(f"unmatched is drop or keep, found {self.unmatched!r}")

    def threshold(self, counts: Counts) -> int:
        """Return ``t``, or what ``tail_share`` makes of ``counts``."""
        if self.t is not None:
            return self.t
        assert self.tail_share is not None
        return tail_threshold(counts, self.tail_share)

    def solved(self, counts: Counts) -> "ConceptBalance":
        """Return the same filter with ``t`` in place of ``tail_share``: it decides alike, and need not sort ``counts`` at each batch."""
        return replace(self, t=self.threshold(counts), tail_share=None)

    def __call__(self, batch: pa.RecordBatch, *, vocabulary: Vocabulary, counts: Counts) -> Verdict:
        """Return the verdict of ``decide`` over the alt texts, with ``concepts`` added too; ``counts`` are those of the whole pool."""
        matches = vocabulary.match(batch.column(c.ALT_TEXT.name).to_pylist())
        verdict = self.decide(batch.column(c.SAMPLE_ID.name).to_pylist(), matches, counts=counts)
        return replace(verdict, added={**verdict.added, c.CONCEPTS.name: named(matches, vocabulary.entries)})

    def decide(self, sample_ids: Sequence[str], matches: Matches, *, counts: Counts) -> Verdict:
        """Return ``unmatched``, or ``over_represented`` (value: the draw, threshold: the probability), of n samples matched before.

        Adds ``concept_probability``. Another ``t`` needs no new matching. The draw is salted, so that it has nothing to do with other
        draws over the same seed and samples.
        """
        without = np.array([not row for row in matches], np.bool_)
        kept_with = probabilities(matches, counts, self.threshold(counts))
        if self.unmatched == "keep":
            kept_with[without] = 1.0
        drawn = draw(self.seed, (f"concepts:{sample}" for sample in sample_ids))
        return judge(
            len(matches),
            Rule("unmatched", without & (self.unmatched == "drop")),
            Rule("over_represented", drawn >= kept_with, drawn, kept_with),
            added={c.CONCEPT_PROBABILITY.name: pa.array(kept_with, c.CONCEPT_PROBABILITY.type)},
        )


def named(matches: Matches, entries: Sequence[str]) -> pa.ListArray:
    """Return the column ``concepts``: the entries at the positions of each of n texts, empty where none stands in it."""
    return pa.array([[entries[position] for position in row] for row in matches], c.CONCEPTS.type)


def count(matches: Iterable[Sequence[int]], size: int) -> Counts:
    """Return in how many texts each of ``size`` entries stands; counts of parts of a pool add up to those of the whole.

    Raises ``ValueError`` for a position that the vocabulary does not have.
    """
    found = np.fromiter(chain.from_iterable(matches), np.int64)
    counts = np.bincount(found, minlength=size).astype(np.int64)
    if len(counts) > size:
        raise ValueError(
            f"expected positions below {size}, the entries of the vocabulary, found {len(counts) - 1}; match with that vocabulary"
        )
    return counts


def tail_threshold(counts: Counts, tail_share: float) -> int:
    """Return the least t for which the entries of at most t matches hold at least ``tail_share`` (0-1) of all matches; 1 for none.

    That is the count of the entry at which the matches, added up from the rarest entry on, reach the share. MetaCLIP 2 takes the
    entry at which they come nearest to it, so the two may differ by one entry.
    """
    ordered = np.sort(counts[counts > 0])
    if not len(ordered):
        return 1
    held = np.cumsum(ordered) / ordered.sum()
    return int(ordered[np.searchsorted(held, tail_share)])


def probabilities(matches: Matches, counts: Counts, t: int) -> npt.NDArray[np.float64]:
    """Return with which probability each of n samples is kept, shape (n,), rounded to 9 decimals; 0 where no entry matches.

    ``1 - prod(1 - t / max(count, t))`` over its entries: as if each of them drew on its own, and one that says keep were enough
    (MetaCLIP 2; MetaCLIP 1 makes the draws). An entry of at most ``t`` matches keeps each of its samples.
    """
    lost = [np.prod(1.0 - t / np.maximum(counts[np.asarray(row, np.int64)], t)) for row in matches]
    return (1.0 - np.array(lost, np.float64)).round(DECIMALS)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What concept balance did to a pool, from the counts of its entries before and after."""

    t: int
    """Matches up to which an entry was left whole."""
    entries: int
    """Entries of the vocabulary."""
    matched_before: int
    """Entries that stood in at least one text."""
    matched_after: int
    """Entries that still do."""
    matches_before: int
    """Matches in all: a text counts once for each of its entries."""
    matches_after: int
    """Matches that are left."""
    head_entries: int
    """Entries of more than ``t`` matches before: the head, which is thinned out."""
    head_share_before: float
    """Share of the matches that the head held, 0-1."""
    head_share_after: float
    """Share of the matches that are left which those same entries hold, 0-1: the less, the flatter the pool."""
    tail_entries: int
    """Entries of 1 to ``t`` matches before: the tail."""
    tail_entries_kept: int
    """Entries of the tail that still stand in a text."""
    tail_matches_kept: float
    """Share of the matches of the tail that are left, 0-1: 1 where nothing but this balance dropped samples, or there is no tail."""


def coverage(before: Counts, after: Counts, t: int) -> Coverage:
    """Return the coverage by ``before``, counts over what came in, and ``after``, over what was kept, both of shape (v,).

    Raises ``ValueError`` where they are not of one vocabulary, or ``after`` counts more than ``before``.
    """
    if before.shape != after.shape or (after > before).any():
        raise ValueError(
            f"expected counts of one pool before and after, found {before.sum()} of {before.shape} and {after.sum()} of {after.shape}"
        )
    head, tail = before > t, (before > 0) & (before <= t)
    return Coverage(
        t=t,
        entries=len(before),
        matched_before=int((before > 0).sum()),
        matched_after=int((after > 0).sum()),
        matches_before=int(before.sum()),
        matches_after=int(after.sum()),
        head_entries=int(head.sum()),
        head_share_before=_share(before[head], before, 0.0),
        head_share_after=_share(after[head], after, 0.0),
        tail_entries=int(tail.sum()),
        tail_entries_kept=int((after[tail] > 0).sum()),
        tail_matches_kept=_share(after[tail], before[tail], 1.0),
    )


def _share(part: Counts, whole: Counts, of_nothing: float) -> float:
    """Return the share of ``part`` in ``whole``, rounded to 4 decimals."""
    return round(float(part.sum() / whole.sum()), 4) if whole.sum() else of_nothing
