"""Near-duplicates among questions: nearly the same words about the same pictures, with the same numbers and the same truth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from filters.near_text import NearText
from filters.words import normalised
from schemas import columns as c
from schemas import questions as q
from schemas.batches import strings
from schemas.protocols import Buckets

_NUMBER = re.compile(r"\d+")
BANDS = 4
"""Parts of 16 bits into which a picture's hash is cut: two that differ in 3 bits share one for certain."""


@dataclass(frozen=True, slots=True)
class NearQuestion:
    """Finds pairs of questions of which one is enough.

    A template with other numbers is another question, and so is one about another picture: both must agree, and the truths too. Pictures
    agree when they are as many and each shows what its fellow does.
    """

    version: ClassVar[int] = 1
    reason: ClassVar[str] = "near_duplicate_question"

    min_jaccard: float = 0.7
    """Least Jaccard similarity of the runs of three words (ours: questions are short, and a changed word changes three runs)."""
    recall: float = 0.99
    """Share of the pairs at just that similarity which share a key (ours)."""
    max_distance: int = 3
    """Bits of 64 in which the perceptual hashes of two pictures may differ (ours)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        _ = self._text

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what `alike` reads of both rows."""
        return (c.SHINGLES.name, q.QUESTION_TEXT.name, q.TRUTH.name, q.PICTURE_HASHES.name, q.IMAGE_HASHES.name)

    @property
    def _text(self) -> NearText:
        return NearText(min_jaccard=self.min_jaccard, recall=self.recall, min_words=3.0)

    def buckets(self, batch: pa.RecordBatch) -> Buckets:
        """Return the keys of each row: bands of its words beside its pictures, and its whole text beside bands of what they show."""
        pictures, hashes = batch.column(q.PICTURE_HASHES.name).to_pylist(), batch.column(q.IMAGE_HASHES.name).to_pylist()
        exact = np.array([_mixed(*(found or ())) for found in hashes], np.uint64)
        words = self._text.buckets(batch)
        texts = strings(batch.column(q.QUESTION_TEXT.name))
        whole = [(row, _mixed(normalised(text), *part)) for row, text in enumerate(texts) for part in _parts(pictures[row] or ())]
        rows, keys = (np.array(column) for column in zip(*whole, strict=True)) if whole else (np.zeros(0), np.zeros(0))
        return Buckets(
            np.concatenate([words.rows, rows.astype(np.int64)]),
            np.concatenate([words.keys ^ exact[words.rows], keys.astype(np.uint64)]),
            np.concatenate([words.sketches, np.zeros(len(rows), np.uint64)]),
        )

    def screen(self, left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return shape (p,): whether enough bits agree; those of whole texts always do."""
        return self._text.screen(left, right) | (left == 0) | (right == 0)

    def alike(self, left: pa.RecordBatch, right: pa.RecordBatch) -> npt.NDArray[np.float64]:
        """Return shape (p,): how alike the words of row i of both are, NaN where one question is not enough."""
        texts = [list(map(normalised, strings(side.column(q.QUESTION_TEXT.name)))) for side in (left, right)]
        same = np.array([a == b for a, b in zip(*texts, strict=True)], np.bool_)
        words = np.where(same, 1.0, self._text.alike(left, right))
        return np.where(self._agree(left, right, texts), words, np.nan)

    def _agree(self, left: pa.RecordBatch, right: pa.RecordBatch, texts: Sequence[Sequence[str]]) -> npt.NDArray[np.bool_]:
        truths = [list(map(normalised, strings(side.column(q.TRUTH.name)))) for side in (left, right)]
        sides = [side.column(q.PICTURE_HASHES.name).to_pylist() for side in (left, right)]
        exact = [side.column(q.IMAGE_HASHES.name).to_pylist() for side in (left, right)]
        return np.array(
            [
                truths[0][i] == truths[1][i]
                and _NUMBER.findall(texts[0][i]) == _NUMBER.findall(texts[1][i])
                and (exact[0][i] == exact[1][i] or self._show_the_same(sides[0][i] or (), sides[1][i] or ()))
                for i in range(len(left))
            ],
            np.bool_,
        )

    def _show_the_same(self, left: Sequence[int], right: Sequence[int]) -> bool:
        return len(left) == len(right) and all(
            a and b and (a ^ b).bit_count() <= self.max_distance for a, b in zip(left, right, strict=True)
        )


def _parts(pictures: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the keys of a question's pictures: how many, which band, and its bits of the first; one without bits where there is none."""
    if not pictures:
        return [(0, 0, 0)]
    return [(len(pictures), band, (pictures[0] >> 16 * band) & 0xFFFF) for band in range(BANDS)]


def _mixed(*parts: object) -> int:
    """Return 64 bits over ``parts``; 0 for none."""
    return xxhash.xxh3_64_intdigest(repr(parts).encode()) if parts else 0
