"""The rule that finds images which are nearly the same, by their hashes and, where it is asked to, by their embeddings."""

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.perceptual import CROPS, WORDS
from filters.relevance import cosines
from schemas import columns as c
from schemas.protocols import Buckets

MAX_KEYS = 1000
"""Keys that one hash may have: more of them cost more in the shuffle than an embedding index does (ours)."""

_LENGTH = len(CROPS) * WORDS
_FAR = 64 * WORDS + 1
_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class NearImage:
    """Merges copies under another encoding, size or brightness, and light crops. Reads ``perceptual_hashes`` and ``image_embedding``.

    Two images are near-duplicates where some hash of one and some hash of the other differ in at most ``max_distance`` of the
    64 coarse bits and in at most ``max_detail`` of all 256, and where their embeddings, if both have one, agree by ``min_cosine``.
    Where either has no embedding, the hashes alone decide.

    Keys: a hash is cut into ``max_distance + intact_blocks`` blocks. A pair within ``max_distance`` has at least
    ``intact_blocks`` blocks without a difference, so that it shares the key which is made of them: no such pair is missed.
    Each choice of blocks is a key. The more blocks in a key, the more keys, and the emptier the buckets. By three hashes
    an image, if bits were even (photographs meet 1.4 to 2.4 times as often), this is what 10^9 images would come to:

    ============  =============  ===========  =============  ==================  ======================
    max_distance  intact_blocks  bits in key  keys an image  hashes in a bucket  good for
    ============  =============  ===========  =============  ==================  ======================
    6             2              16           84             46,000              10^6 images: 46
    6             3              21           252            1,400               10^7 images: 14
    4             3              27           105            22                  10^8 images: 2
    4             4              32           210            0.7                 10^9 images
    ============  =============  ===========  =============  ==================  ======================

    Pairs grow with the square of a bucket, keys are what crosses the shuffle. From 10^8 images on take the smaller radius:
    it loses 1 in 100 light crops and less of the rest (docs/near-duplicates.md).
    """

    version: ClassVar[int] = 1
    reason: ClassVar[str] = "near_duplicate_image"

    max_distance: int = 6
    """Coarse bits of 64 that may differ (ours, measured; imagededup's default is 10 with one hash)."""
    max_detail: int = 36
    """Bits of 256 that may differ, coarse ones included: copies differ in up to 36, pages of one layout in 44 and more (ours, measured)."""
    intact_blocks: int = 2
    """Blocks that make a key."""
    min_cosine: float | None = None
    """Cosine that two embeddings must reach, where both rows have one; null asks none. It belongs to the
    embedder: ``python -m jobs.calibrate_copies`` measures it."""

    def __post_init__(self) -> None:
        """Refuse what no pair or every pair would satisfy, and more keys than a shuffle bears."""
        if not 0 <= self.max_distance <= self.max_detail <= 64 * WORDS:
            raise ValueError(f"expected 0 <= max_distance <= max_detail <= {64 * WORDS}, found {self.max_distance} and {self.max_detail}")
        if self.intact_blocks < 1 or self.blocks > 64:
            raise ValueError(
                f"64 bits make 1 to 64 blocks: expected intact_blocks of at least 1 and, with max_distance, at most 64 together, "
                f"found {self.intact_blocks} and {self.max_distance}"
            )
        if (keys := comb(self.blocks, self.intact_blocks)) > MAX_KEYS:
            raise ValueError(
                f"expected at most {MAX_KEYS} keys for each hash, found {keys} by max_distance {self.max_distance} and intact_blocks "
                f"{self.intact_blocks}; lower either"
            )
        if self.min_cosine is not None and not -1 <= self.min_cosine <= 1:
            raise ValueError(f"min_cosine is a cosine, expected -1 to 1, found {self.min_cosine}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that ``alike`` reads of both rows: vectors, 1.5 KB each of ConSE, cross the shuffles only where asked for."""
        return (c.PERCEPTUAL_HASHES.name, *([c.IMAGE_EMBEDDING.name] if self.min_cosine is not None else []))

    @property
    def blocks(self) -> int:
        """Blocks that a hash is cut into."""
        return self.max_distance + self.intact_blocks

    def buckets(self, batch: pa.RecordBatch) -> Buckets:
        """Return the keys of each row, its coarse hashes as sketches; a row without hashes has none."""
        coarse = _hashes(batch)[:, :, 0]
        rows, place = np.nonzero(_has_hashes(batch)[:, None] & ~_repeated(coarse))
        sketches = coarse[rows, place]
        masks = self._masks()
        keys = _mixed((sketches[:, None] & masks) ^ _mixed(np.arange(len(masks), dtype=np.uint64)))
        return Buckets(np.repeat(rows, len(masks)), keys.ravel(), np.repeat(sketches, len(masks)))

    def screen(self, left: _Words, right: _Words) -> npt.NDArray[np.bool_]:
        """Return shape (p,): whether at most ``max_distance`` of the coarse bits differ."""
        return np.bitwise_count(left ^ right) <= self.max_distance

    def alike(self, left: pa.RecordBatch, right: pa.RecordBatch) -> npt.NDArray[np.float64]:
        """Return shape (p,): the share of the 256 bits that agree, over the best pair of hashes, 4 decimals; NaN for no near-duplicates."""
        differing = np.bitwise_count(_hashes(left)[:, :, None] ^ _hashes(right)[:, None])
        coarse, all_bits = differing[..., 0], differing.sum(axis=-1, dtype=np.int64)
        within = (coarse <= self.max_distance) & (all_bits <= self.max_detail)
        best = np.where(within, all_bits, _FAR).min(axis=(1, 2))
        near = (best < _FAR) & _has_hashes(left) & _has_hashes(right)
        if self.min_cosine is not None:
            near &= ~(_cosines(left, right) < self.min_cosine)
        return np.where(near, np.round(1 - best / (64 * WORDS), 4), np.nan)

    def _masks(self) -> _Words:
        """Return the bits of each key, shape (keys,)."""
        edges = [64 * block // self.blocks for block in range(self.blocks + 1)]
        blocks = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
        return np.array([sum(chosen) for chosen in combinations(blocks, self.intact_blocks)], np.uint64)


def _lengths(column: pa.Array) -> npt.NDArray[np.int64]:
    """Return the length of each list, shape (n,), 0 where it is null."""
    return column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)


def _has_hashes(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    return _lengths(batch.column(c.PERCEPTUAL_HASHES.name)) > 0


def _hashes(batch: pa.RecordBatch) -> _Words:
    """Return the hashes of n rows, shape (n, 3, 4), 0 where a row has none; raises ``ValueError`` for another number of words."""
    column = batch.column(c.PERCEPTUAL_HASHES.name)
    if unknown := set(np.unique(_lengths(column)).tolist()) - {0, _LENGTH}:
        raise ValueError(f"expected {_LENGTH} words or none in perceptual_hashes, found {sorted(unknown)}: hash the images again")
    words = np.zeros((len(batch), len(CROPS), WORDS), np.uint64)
    words[_has_hashes(batch)] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, len(CROPS), WORDS)
    return words


def _repeated(coarse: _Words) -> npt.NDArray[np.bool_]:
    """Return shape (n, 3): whether a hash stands further left in its row already."""
    earlier = np.tri(coarse.shape[1], k=-1, dtype=np.bool_)
    return ((coarse[:, :, None] == coarse[:, None, :]) & earlier).any(axis=2)


def _cosines(left: pa.RecordBatch, right: pa.RecordBatch) -> npt.NDArray[np.float64]:
    """Return the cosine of the unit vectors of each pair, shape (p,), NaN where either row has none."""
    columns = [batch.column(c.IMAGE_EMBEDDING.name) for batch in (left, right)]
    both = np.logical_and(*(_lengths(column) > 0 for column in columns))
    found = np.full(len(left), np.nan)
    if both.any():
        vectors = (column.filter(pa.array(both)).flatten().to_numpy().reshape(both.sum(), -1) for column in columns)
        found[both] = cosines(*vectors)
    return found


def _mixed(values: _Words) -> _Words:
    """Return distinct values for distinct values, spread over all 64 bits (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
